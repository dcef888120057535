"""Every case of the page of public reports about gateways: which test holds it, or why none does."""

from tests.cases.page import Index

HELD: dict[str, dict[str, str]] = {
    "tests/e2e/gateway/test_failing_over.py": {
        "test_a_rate_limit_is_waited_for_as_long_as_it_says_and_left_alone": "litellm#7669 litellm#32574",
        "test_geminis_delay_within_the_body_is_waited_for": "litellm#25507",
        "test_a_breaker_opens_and_closes_again": "Portkey#1289",
        "test_an_error_of_any_shape_is_survived": "bifrost#6967",
        "test_a_fallback_is_for_failures_that_another_target_may_not_have": "litellm#10793 litellm#37599",
        "test_a_number_in_an_error_is_no_status": "freellmapi#1282",
        "test_a_vendors_429_is_a_429_and_its_words_are_kept": "litellm#4259",
    },
    "tests/e2e/gateway/test_faults.py": {
        "test_a_stream_that_is_cut_is_a_clear_error": "Portkey#1797",
        "test_a_missing_done_is_no_reason_to_wait_or_to_fail": "OmniRoute#6777",
        "test_a_fallback_is_named_and_billed_as_itself": "bifrost#6973",
    },
    "tests/e2e/gateway/test_leaving.py": {
        "test_a_silent_provider_is_left_when_the_time_for_its_head_is_over": "bifrost#7034",
        "test_nothing_is_tried_again_for_a_client_that_has_left": "bifrost#7035",
        "test_a_client_that_hangs_up_in_a_stream_cancels_it_and_pays_for_what_was_made": (
            "litellm#33736 litellm#30630 bifrost#6972"
        ),
        "test_the_tokens_billed_after_a_hang_up_are_those_that_came": "litellm#36008",
        "test_a_client_that_hangs_up_before_a_whole_answer_cancels_it_and_is_on_record": "litellm#13245",
        "test_a_stream_that_stalls_is_cut_when_its_gap_is_over": "tensorzero#6328",
        "test_slots_come_back_after_hang_ups_and_time_outs": "litellm#20256",
    },
    "tests/e2e/gateway/test_limits.py": {
        "test_fifty_at_once_never_spend_more_than_a_budget_for_ten": "litellm#34732 litellm#40095",
        "test_more_than_may_be_under_way_are_refused_and_cost_no_requests": "litellm#39309",
        "test_a_budget_holds_over_several_workers": "bifrost#3547",
        "test_a_window_of_nothing_is_refused_with_one_line": "bifrost#4851",
        "test_what_remains_of_a_limit_goes_down": "ai-gateway#1754",
        "test_memory_is_flat": "litellm#12685 litellm#27954",
        "test_keys_work_while_their_database_does_not": "litellm#18708",
        "test_five_hundred_at_once_are_all_answered": "litellm#21046",
    },
    "tests/e2e/gateway/test_messages.py": {
        "test_a_stream_is_one_message_whose_usage_is_known_at_its_end": "ai-gateway#2352 bifrost#4556",
        "test_between_anthropic_and_anthropic_nothing_is_lost": "litellm#31069",
        "test_parallel_calls_of_tools_are_streamed_one_block_after_the_other": "CLIProxyAPI#561",
        "test_parallel_calls_of_tools_are_all_kept": "aisix#170",
    },
    "tests/e2e/gateway/test_responses.py": {
        "test_an_error_after_the_response_began_is_one_on_which_the_sdk_raises": "bifrost#5395",
        "test_an_answer_that_was_cut_for_length_is_incomplete": "bifrost#6782",
    },
    "tests/e2e/gateway/test_sdks.py": {
        "test_log_probabilities": "litellm#17165",
    },
    "tests/e2e/gateway/test_serving.py": {
        "test_usage_comes_as_openai_sends_it_where_it_is_asked_for": "litellm#8450 litellm#9657",
    },
    "tests/e2e/gateway/test_streams.py": {
        "test_usage_on_a_chunk_with_choices_is_read_and_moved_to_where_it_belongs": "litellm#36168",
        "test_usage_is_metered_where_a_provider_refuses_to_be_asked_for_it": "litellm#23847",
        "test_a_chunk_with_usage_alone_harms_nobody": "Portkey#1072",
        "test_without_a_fallback_an_error_at_the_beginning_is_tried_again_as_often_as_said": (
            "litellm#29808 litellm#29223"
        ),
        "test_an_error_before_the_first_token_falls_back": (
            "litellm#5512 litellm#6532 litellm#6957 Portkey#722 Portkey#741 Portkey#949 OmniRoute#8210 litellm#10593"
        ),
        "test_a_done_is_never_read_as_json": "Portkey#1526",
        "test_a_stream_in_reads_of_one_byte_is_the_same_stream": "aibrix#2653",
        "test_an_error_inside_a_200_that_is_not_streamed_is_an_error": "Portkey#267",
        "test_streamed_or_not_the_cost_is_the_same": "litellm#11789",
        "test_cached_tokens_are_counted_once_at_a_price_of_ones_own": "litellm#40006 litellm#40016 litellm#31282",
    },
    "tests/e2e/gateway/test_translated_calls.py": {
        "test_calls_that_are_streamed_keep_their_ids_and_their_arguments_apart": (
            "litellm#37792 litellm#12481 litellm#12862 litellm#40040 Portkey#1537 Portkey#1275"
        ),
        "test_a_stream_from_the_cache_has_the_usage_it_had": "litellm#42244",
        "test_every_parameter_of_a_response_is_part_of_the_cache_key": "litellm#25673",
    },
    "tests/gateway/admission/test_admission.py": {
        "test_whatever_is_reserved_and_settled_stays_within_the_budget": "litellm#20615",
    },
    "tests/gateway/admission/test_limits.py": {
        "test_all_of_a_limit_can_be_used_whatever_other_limits_there_are": "litellm#24677",
    },
    "tests/gateway/test_cache.py": {
        "test_a_changed_upstream_does_not_give_the_old_ones_answers": "headroom#3346",
        "test_every_parameter_is_part_of_the_key": "lobster#130",
    },
    "tests/gateway/test_semantic.py": {
        "test_tenants_and_endpoints_never_see_each_others_answers": "OmniRoute#3740",
    },
    "tests/routing/test_faults.py": {
        "test_a_fallback_fires_on_its_causes_only": "Portkey#855 Portkey#165",
        "test_a_failed_primary_is_never_its_own_fallback": "bifrost#6966",
    },
    "tests/store/test_exchanges.py": {
        "test_many_segments_need_no_more_memory_than_one": "litellm#21908",
    },
    "tests/wire/messages/test_stream.py": {
        "test_the_end_tells_a_stop_sequence_and_all_usage": "semantic-router#3500",
    },
}
"""By file and test: the cases it holds; its docstring names each of them."""

NOT_HERE: dict[str, str] = {
    "semantic-router#3800": "no model judges anything while requests are served: judges are the evaluation lane's",
}
"""Why no test here holds a case."""

INDEX = Index("cases_gateway.md", HELD, NOT_HERE, aliases={"gateway": "Portkey"}, least=70)  # as in Portkey-AI/gateway
