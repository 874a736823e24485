/* inside.h: what the files of core offer each other. Nothing outside agent/core includes it.
 *
 * fold.c records what an event says and decides nothing. plan.c and what it calls decide, from the
 * facts alone, and record only what they ask for. State changes only through container_move(),
 * deployment_move(), one_off_move() and task_stop(), which assert the tables of legal moves. */
#ifndef BERTH_CORE_INSIDE_H
#define BERTH_CORE_INSIDE_H

#include <stdlib.h>
#include <string.h>

#include "berth/assert.h"
#include "berth/core.h"
#include "berth/memory.h"
#include "berth/str.h"

/* A step in progress: the facts and what is to be done about them. */
struct step {
    struct core *core;
    struct effects *effects;
};

/* ---- effects (plan.c) */
struct action *step_action(struct step *step, enum action_kind kind); /* NULL: the batch is full */
void step_wake(struct step *step, msec at);
__attribute__((format(printf, 2, 3))) void action_cause(struct action *action, const char *format,
                                                        ...);
bool step_may_act(struct step *step, struct wait *wait); /* is the runtime there? */

/* ---- waits (plan.c): since stays when the reason stays */
__attribute__((format(printf, 4, 5))) void wait_set(struct wait *wait, const struct core *core,
                                                    enum wait_reason reason, const char *format,
                                                    ...);
void wait_clear(struct wait *wait);

/* ---- state changes (changes.c) */
__attribute__((format(printf, 7, 8))) void change_emit(struct core *core, enum change_kind kind,
                                                       bool warning, const char *service,
                                                       const char *task_id, const char *container,
                                                       const char *format, ...);
void changes_clear(struct core *core);
void history_add(struct core *core, const struct task *task);
void history_clear(struct core *core);

/* ---- containers (container.c) */
void container_move(struct core *core, struct task *task, struct container *container,
                    enum container_state to);
bool container_is_over(const struct core *core, const struct container *container);
bool container_will_restart(const struct core *core, const struct container *container);
bool container_in_flight(const struct container *container); /* a call changes it right now */
/* Its part of the task is over without the runtime: blocked dependency, refused create, ... */
__attribute__((format(printf, 6, 7))) void container_fail(struct core *core, struct task *task,
                                                          struct container *container,
                                                          enum blame blame, const char *error,
                                                          const char *format, ...);
void container_touch(struct core *core, struct container *container);
/* Apply what a look said. Returns false when the container found is not ours. */
void container_observe(struct core *core, struct task *task, struct container *container,
                       const struct observed_container *seen);
void container_vanished(struct core *core, struct task *task, struct container *container);

/* ---- tasks (task.c) */
struct task_identity {
    const char *service, *one_off, *definition_name, *digest_hex;
    int64_t generation, slot, attempt;
};
void task_id_make(const struct core *core, const struct task_identity *identity,
                  char ret[TASK_ID_LEN + 1]);
struct task *task_add(struct core *core, const char *id, const struct task_identity *identity);
void task_bind(struct core *core, struct task *task, const struct task_definition *definition,
               bool create_missing);
void task_unbind(struct task *task);
void task_bind_probes(struct task *task, const struct service *service);
void task_adopt_container(struct core *core, struct task *task,
                          const struct observed_container *seen);
void task_drop(struct core *core, struct task *task);
void task_free(struct task *task);
struct task *task_find(const struct core *core, const char *id);
struct container *task_container(const struct task *task, const char *name);
struct container *container_by_runtime_name(const struct core *core, const char *name,
                                            struct task **ret_task);
bool name_was_dropped(const struct core *core, const char *runtime_name);
bool task_is_running(const struct core *core, const struct task *task);
bool task_is_over(const struct core *core, const struct task *task);
bool task_has_begun(const struct task *task); /* a container of it may be there and running */
bool task_ever_started(const struct task *task);
bool task_holds_port(const struct task *task, const struct task *wants, int64_t *ret_port);
__attribute__((format(printf, 4, 5))) void
task_stop(struct core *core, struct task *task, const char *stop_code, const char *format, ...);
struct task *task_clone(const struct task *task);
void task_index_rebuild(struct core *core);

/* ---- supervising one task (supervise.c) */
void plan_task(struct step *step, struct task *task);
void task_note_running(struct core *core, struct task *task);
void container_retry_later(struct core *core, struct container *container);

/* ---- health (health.c) */
void plan_health(struct step *step);
void task_look(struct task *task); /* at its essential containers, now */
void plan_probes(struct step *step);
void task_unhealthy_cause(const struct task *task, char *ret, size_t size);
void fold_probed(struct core *core, const struct event *event);

/* ---- images (image.c) */
enum image_verdict { IMAGE_READY, IMAGE_COMES, IMAGE_RETRIES, IMAGE_WONT };
struct image *image_get(struct core *core, const char *name);
struct image *image_find(const struct core *core, const char *name);
struct image_wish {
    msec confirmed_since; /* where the registry is asked: an older answer does not count */
    msec asked_since;     /* a refusal from before then does not count; MSEC_NEVER: none is final */
    bool fresh;           /* part of a deployment that came from the source, not from disk */
};
/* Is the image there? Asks for a pull when it is not. */
enum image_verdict image_need(struct step *step, const char *name, const struct image_wish *wish,
                              const char *service, struct wait *wait);
void fold_pull_progress(struct core *core, const struct event *event);
void fold_pulled(struct core *core, const struct event *event);
void images_purge(struct core *core);
void images_free(struct core *core);

/* ---- deployments (deployment.c) */
struct service_fact *service_get(struct core *core, const char *name);
struct service_fact *service_find(const struct core *core, const char *name);
void service_free(struct service_fact *service);
struct deployment *deployment_find(const struct service_fact *service, int64_t generation);
struct deployment *deployment_begin(struct core *core, struct service_fact *service, bool restart);
struct deployment *deployment_adopt(struct core *core, struct service_fact *service,
                                    const struct task *task);
void deployment_free(struct deployment *deployment);
__attribute__((format(printf, 5, 6))) void
deployment_move(struct core *core, struct service_fact *service, struct deployment *deployment,
                enum deployment_state to, const char *format, ...);
struct slot *deployment_slot(struct deployment *deployment, int64_t slot);
bool deployment_images_ready(struct step *step, struct service_fact *service);
/* A task of it died or became sick: count blame, set the slot's backoff. */
void deployment_count_death(struct core *core, struct task *task);
void deployments_drop_finished(struct service_fact *service);

/* ---- services (service.c, capacity.c, judge.c, gate.c) */
void service_find_fixed_port(struct service_fact *service);
void service_find_bounds(struct service_fact *service);
bool service_is_possible(struct core *core, struct service_fact *service);
bool service_may_part_with(const struct service_fact *service, const struct task *task);
void judge_deployment(struct step *step, struct service_fact *service);
void judge_service(struct step *step, struct service_fact *service);
void plan_services(struct step *step);
void plan_removed_services(struct step *step);
bool service_has_done_with(const struct service_fact *service, const struct task *task);
bool service_holds_back(const struct service_fact *service, const struct task *task);
/* Are the fixed host ports that it wants free of other live tasks? */
bool service_task_has_ports(struct step *step, struct task *task);
bool is_old_generation(const struct service_fact *service, const struct task *task);
/* The one gate for stopping a task that still serves: WAIT_NONE = it may go. */
/* Have those that are believed healthy, and `task` if not NULL, been looked at just now? Those that
 * have not are looked at. */
bool service_is_confirmed(const struct step *step, const struct service_fact *service,
                          const struct task *task);
enum wait_reason may_retire(struct step *step, const struct service_fact *service,
                            const struct task *task, bool need_room);

/* ---- one-off tasks (one_off.c) */
void plan_one_offs(struct step *step);
struct one_off_record *one_off_get(struct core *core, const char *id);
bool one_off_may_start(struct core *core, const struct task *task);
void one_off_adopt(struct core *core, struct task *task);
void one_offs_free(struct core *core);

/* ---- memory (remember.c) */
void core_remember(struct core *core);
void core_recall(struct core *core, const struct memory *memory);

/* ---- folding (fold.c) and planning (plan.c) */
void fold_event(struct core *core, const struct event *event);
void fold_observed(struct core *core, const struct event *event); /* adopt.c */
void fold_desired(struct core *core, struct desired *desired);
void runtime_down(struct core *core, const struct event *event);
void fold_look_failed(struct core *core, const struct event *event);
void plan(struct step *step);

#endif
