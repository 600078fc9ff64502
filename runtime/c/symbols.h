/* What these sources share begins with `mai_own_` to the linker: a program may have a `fail` or an `api` of its own. */
#ifndef MAI_SYMBOLS_H
#define MAI_SYMBOLS_H

#define api mai_own_api
#define batch_of mai_own_batch_of
#define begin mai_own_begin
#define begin_states mai_own_begin_states
#define blank_absent mai_own_blank_absent
#define cancels_of mai_own_cancels_of
#define check_arrival mai_own_check_arrival
#define check_field mai_own_check_field
#define check_prompt mai_own_check_prompt
#define check_range mai_own_check_range
#define check_sizes mai_own_check_sizes
#define checksum_of mai_own_checksum_of
#define compute mai_own_compute
#define compute_turn mai_own_compute_turn
#define count_of mai_own_count_of
#define count_of_row mai_own_count_of_row
#define count_within mai_own_count_within
#define done mai_own_done
#define drop mai_own_drop
#define entry_of mai_own_entry_of
#define facts_of mai_own_facts_of
#define fail mai_own_fail
#define fail_more mai_own_fail_more
#define find_size mai_own_find_size
#define find_states mai_own_find_states
#define forget_feeds mai_own_forget_feeds
#define free_states mai_own_free_states
#define is_name mai_own_is_name
#define is_state mai_own_is_state
#define is_this_name mai_own_is_this_name
#define json_free mai_own_json_free
#define json_member mai_own_json_member
#define json_number mai_own_json_number
#define json_read mai_own_json_read
#define json_text mai_own_json_text
#define out_of_memory mai_own_out_of_memory
#define place_of mai_own_place_of
#define place_of_count mai_own_place_of_count
#define prepare mai_own_prepare
#define put mai_own_put
#define put_defaults mai_own_put_defaults
#define read_output mai_own_read_output
#define run_all_turns mai_own_run_all_turns
#define run_within_limit mai_own_run_within_limit
#define sha256_of mai_own_sha256_of
#define size_of mai_own_size_of
#define suggestion mai_own_suggestion
#define take_states mai_own_take_states
#define tensor_over mai_own_tensor_over
#define types mai_own_types

#endif
