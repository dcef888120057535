"""Every case of the page of public reports about evaluation and load tools: which test holds it, or why none does."""

from tests.cases.page import Index

HELD: dict[str, dict[str, str]] = {
    "tests/cases/test_comparison_cases.py": {
        "test_where_nothing_is_shown_it_is_said_how_many_samples_would": "inspect_ai#4206 inspect_ai#4260",
        "test_a_difference_that_only_pairing_can_see_is_seen": "lm-evaluation-harness#3831 lm-evaluation-harness#3868",
        "test_repeats_have_a_rate_of_their_own_for_each_sample": "promptfoo#5847 promptfoo#9066 promptfoo#9448",
        "test_a_comparison_needs_no_service_and_fails_a_build_on_a_regression": "deepeval#2948",
        "test_every_figure_that_is_shown_has_its_margin": "guidellm#243",
        "test_no_slow_http_client_is_on_the_path_that_measures": (
            "httpx#3215 openai-python#1596 safety-tooling#120 FastChat#2256"
        ),
    },
    "tests/cases/test_cost_cases.py": {
        "test_cached_tokens_are_paid_for_once_and_at_their_price": "promptfoo#7546",
        "test_a_model_nobody_has_a_price_for_still_has_its_tokens": "deepeval#1114",
        "test_tokens_are_the_providers_count_and_never_counted_again": "aiperf#339 flexible-inference-bench#66",
        "test_reasoning_tokens_are_within_the_output_and_not_beside_it": "aiperf#391",
    },
    "tests/cases/test_denominator_cases.py": {
        "test_errors_that_could_be_ignored_do_not_raise_the_quality": "inspect_ai#3707",
        "test_a_score_outside_0_and_1_never_reaches_a_mean": "inspect_ai#4286",
        "test_the_same_answer_has_the_same_score_wherever_it_stands": "deepeval#1265 deepeval#1895",
        "test_a_run_that_hears_nothing_says_so": "deepeval#2232",
        "test_every_item_gets_its_scores_and_a_scorer_that_breaks_costs_no_other": (
            "langfuse#12641 langfuse#5919 langfuse#6988"
        ),
        "test_run_level_metrics_are_one_query_over_results_and_scores": "langfuse#2512",
    },
    "tests/cases/test_extraction_cases.py": {
        "test_a_right_letter_is_right_however_it_is_said": "lm-evaluation-harness#2707",
        "test_an_example_that_is_recited_is_not_the_answer": "lm-evaluation-harness#3438",
        "test_a_right_number_is_right_in_any_dress": "lm-evaluation-harness#1159",
    },
    "tests/cases/test_latency_cases.py": {
        "test_a_resumed_run_shows_the_latency_that_was_measured": "promptfoo#980 promptfoo#945",
        "test_a_fleet_that_is_too_small_for_the_load_fails_the_check": "promptfoo#312",
        "test_tokens_a_second_are_one_query_away": "promptfoo#5680",
        "test_waiting_in_our_own_queue_counts_from_the_intended_send_time": "guidellm#1048 guidellm#1053",
        "test_ten_a_second_at_half_a_second_each_is_not_half_a_second": "vllm#54101",
        "test_a_big_reply_is_read_as_fast_as_it_comes": "vllm#39963 vllm#40050",
        "test_a_clients_own_lateness_is_kept_and_said": "llm-d-benchmark#261 inference-perf#86",
        "test_a_server_that_sends_the_role_at_once_gets_no_credit_for_it": "vllm#3768 sglang#29251 aisix#869",
        "test_tokens_are_stamped_where_they_arrive_and_not_after_parsing": "tokenomics#16",
        "test_low_percentiles_are_of_real_tokens_and_never_zero": "evalscope#1694",
    },
    "tests/cases/test_load_cases.py": {
        "test_twenty_thousand_requests_over_sockets_do_not_hang": "lm-evaluation-harness#3089",
        "test_a_repeat_is_sent_again_and_never_answered_from_a_cache": "promptfoo#5947",
        "test_a_burst_leaves_at_once": "aiperf#1424",
        "test_the_concurrency_that_is_configured_is_the_one_the_provider_sees": "inference-perf#319",
        "test_a_stage_ends_with_the_last_reply_and_not_with_the_last_request": "inference-perf#245",
        "test_waiting_for_many_requests_costs_no_more_for_each_than_for_few": "guidellm#470",
        "test_no_pool_of_ours_limits_how_many_streams_are_open": "gpustack#2324",
    },
    "tests/cases/test_resume_cases.py": {
        "test_two_hundred_thousand_results_are_read_once_before_the_first_request": "inspect_ai#2873",
        "test_sealing_and_scoring_need_no_memory_for_all_answers_at_once": (
            "inspect_ai#2418 promptfoo#1419 promptfoo#2049 promptfoo#7471"
        ),
        "test_what_is_sent_again_under_its_old_key_shows_no_latency": "promptfoo#6910",
    },
    "tests/cli/test_compare.py": {
        "test_a_regression_fails_only_where_asked": "deepeval#262",
    },
    "tests/e2e/test_kill_replay.py": {
        "test_a_run_killed_fifty_times_ends_like_one_that_was_not": "lm-evaluation-harness#2533",
    },
    "tests/evaluation/test_comparison.py": {
        "test_a_better_candidate_is_found_better": "inspect_ai#2176",
    },
    "tests/evaluation/test_measuring.py": {
        "test_failed_requests_stay_below_the_line": "inspect_ai#2914",
    },
    "tests/replay/test_arrivals.py": {
        "test_a_trace_keeps_its_gaps_scales_and_begins_again": "aiperf#1009",
    },
    "tests/replay/test_journal.py": {
        "test_a_journal_cut_at_any_byte_can_be_resumed": "lm-evaluation-harness#2548",
    },
    "tests/report/test_page.py": {
        "test_ten_thousand_samples_stay_under_fifteen_megabytes": "inspect_ai#1375",
    },
    "tests/wire/test_reading.py": {
        "test_reasoning_is_the_first_token_and_the_answer_comes_later": "inference-perf#559",
    },
}
"""By file and test: the cases it holds; its docstring names each of them."""

NOT_HERE: dict[str, str] = {
    "guidellm#197": "searching for the highest load within a limit is a load test; an evaluation has one load",
    "phoenix#11656": "pairwise judging needs a model as judge, which is another issue's",
    "phoenix#12834": "pairwise judging needs a model as judge, which is another issue's",
}
"""Why no test here holds a case."""

INDEX = Index("cases_evaluation.md", HELD, NOT_HERE, aliases={"lm-eval": "lm-evaluation-harness"}, least=60)
