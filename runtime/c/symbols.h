/* What these sources share begins with `mai_own_` to the linker: a program may have a `fail` or an `api` of its own. */
#ifndef MAI_SYMBOLS_H
#define MAI_SYMBOLS_H

#define api mai_own_api
#define batch_of mai_own_batch_of
#define begin mai_own_begin
#define cancels_of mai_own_cancels_of
#define check_prompt mai_own_check_prompt
#define check_range mai_own_check_range
#define check_sizes mai_own_check_sizes
#define compute mai_own_compute
#define count_of mai_own_count_of
#define count_of_row mai_own_count_of_row
#define count_within mai_own_count_within
#define done mai_own_done
#define drop mai_own_drop
#define fail mai_own_fail
#define fail_more mai_own_fail_more
#define find_size mai_own_find_size
#define is_name mai_own_is_name
#define is_this_name mai_own_is_this_name
#define json_free mai_own_json_free
#define json_member mai_own_json_member
#define json_number mai_own_json_number
#define json_read mai_own_json_read
#define json_text mai_own_json_text
#define out_of_memory mai_own_out_of_memory
#define place_of mai_own_place_of
#define place_of_count mai_own_place_of_count
#define put mai_own_put
#define put_defaults mai_own_put_defaults
#define size_of mai_own_size_of
#define suggestion mai_own_suggestion
#define tensor_over mai_own_tensor_over
#define types mai_own_types

#endif
