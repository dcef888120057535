"""The lake: runs kept as Parquet, DuckDB over them."""
