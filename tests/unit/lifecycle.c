/* engine/lifecycle: every cell of the table of states and operations. */
#include "lifecycle.h"

#include <criterion/criterion.h>

#include "base.h"

enum { YES = true, NO = false };

/* launch, activate, deactivate, reactivate, send, receive, terminate */
static const bool allowed[][7] = {
    [GYRE_CREATED] = {YES, NO, NO, NO, NO, NO, YES},
    [GYRE_LAUNCHED] = {NO, YES, NO, NO, YES, YES, YES},
    [GYRE_ACTIVE] = {NO, NO, YES, NO, YES, YES, YES},
    [GYRE_DEACTIVATED] = {NO, NO, NO, YES, YES, YES, YES},
    [GYRE_TERMINATING] = {NO, NO, NO, NO, NO, YES, YES},
    [GYRE_TERMINATED] = {NO, NO, NO, NO, NO, YES, YES},
};

static void expect_row(gyre_state state)
{
    for (int operation = 0; operation < LIFECYCLE_OPERATIONS; ++operation) {
        gyre_result expected = allowed[state][operation] ? GYRE_OK : GYRE_ERROR_STATE;
        cr_expect_eq(lifecycle_check(state, (enum lifecycle_operation)operation), expected,
                     "%s in %s", lifecycle_operation_name((enum lifecycle_operation)operation),
                     gyre_state_name(state));
    }
}

Test(lifecycle, the_table_is_complete)
{
    cr_assert_eq(LIFECYCLE_OPERATIONS, LENGTH(allowed[0]));
    cr_assert_eq(GYRE_TERMINATED + 1, LENGTH(allowed));
}

Test(lifecycle, A1_created_can_be_launched_or_terminated)
{
    expect_row(GYRE_CREATED);
}

Test(lifecycle, A1_launched_can_be_activated_or_terminated_and_takes_messages)
{
    expect_row(GYRE_LAUNCHED);
}

Test(lifecycle, A1_active_can_be_deactivated_or_terminated_and_takes_messages)
{
    expect_row(GYRE_ACTIVE);
}

Test(lifecycle, A1_deactivated_can_be_reactivated_or_terminated_and_takes_messages)
{
    expect_row(GYRE_DEACTIVATED);
}

Test(lifecycle, A1_terminating_gives_what_is_left_and_may_be_terminated_again)
{
    expect_row(GYRE_TERMINATING);
}

Test(lifecycle, A1_terminated_gives_what_is_left_and_may_be_terminated_again)
{
    expect_row(GYRE_TERMINATED);
}

/* In so many words, beside the table. */
Test(lifecycle, A1_only_deactivate_leads_to_reactivate)
{
    cr_assert_eq(lifecycle_check(GYRE_LAUNCHED, LIFECYCLE_REACTIVATE), GYRE_ERROR_STATE);
    cr_assert_eq(lifecycle_check(GYRE_DEACTIVATED, LIFECYCLE_ACTIVATE), GYRE_ERROR_STATE);
    cr_assert_eq(lifecycle_check(GYRE_DEACTIVATED, LIFECYCLE_REACTIVATE), GYRE_OK);
}

Test(lifecycle, A7_terminate_is_allowed_in_every_state)
{
    for (int state = GYRE_CREATED; state <= GYRE_TERMINATED; ++state) {
        cr_assert_eq(lifecycle_check((gyre_state)state, LIFECYCLE_TERMINATE), GYRE_OK);
    }
}

Test(lifecycle, states_have_names)
{
    cr_assert_str_eq(gyre_state_name(GYRE_CREATED), "CREATED");
    cr_assert_str_eq(gyre_state_name(GYRE_LAUNCHED), "LAUNCHED");
    cr_assert_str_eq(gyre_state_name(GYRE_ACTIVE), "ACTIVE");
    cr_assert_str_eq(gyre_state_name(GYRE_DEACTIVATED), "DEACTIVATED");
    cr_assert_str_eq(gyre_state_name(GYRE_TERMINATING), "TERMINATING");
    cr_assert_str_eq(gyre_state_name(GYRE_TERMINATED), "TERMINATED");
}

Test(lifecycle, what_is_no_state_has_a_name_too)
{
    cr_assert_str_eq(gyre_state_name((gyre_state)(GYRE_TERMINATED + 1)), "UNKNOWN");
    cr_assert_str_eq(gyre_state_name((gyre_state)-1), "UNKNOWN");
}

Test(lifecycle, operations_have_names)
{
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_LAUNCH), "launch");
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_ACTIVATE), "activate");
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_DEACTIVATE), "deactivate");
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_REACTIVATE), "reactivate");
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_SEND), "send");
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_RECEIVE), "receive");
    cr_assert_str_eq(lifecycle_operation_name(LIFECYCLE_TERMINATE), "terminate");
}
