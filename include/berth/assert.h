/* assert.h: for what only a bug in berth can break. Always on, also in release builds.
 *
 * A broken assertion prints where it was and aborts: containers outlive the agent, the service
 * manager starts it again, and it resumes from labels and store. Bad input, the kernel and the
 * network are never asserted. One condition each, without side effects. */
#ifndef BERTH_ASSERT_H
#define BERTH_ASSERT_H

#define ASSERT(condition)                                                                          \
    ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__, __func__))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

__attribute__((noreturn, cold)) void assert_failed(const char *condition, const char *file,
                                                   int line, const char *function);

#endif
