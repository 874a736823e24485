/* core.h: facts in, effects out: everything that decides.
 *
 * core_step(core, event, effects) folds one event into the facts and then plans anew from the
 * facts. It performs nothing: no file, socket, clock, thread, JSON. Time is event->now (monotonic)
 * and event->wall (for display only); randomness comes from the seed of EV_START. The same events
 * give the same effects, always.
 *
 * Life cycle: core_new -> EV_START -> any events -> core_free. Every action that a step puts into
 * effects is answered by exactly one event that carries its id: EV_OBSERVED or EV_DONE (failed
 * look) for ACT_OBSERVE, EV_FETCHED for ACT_FETCH, EV_PROBED for ACT_PROBE, EV_DONE for the rest.
 * effects->wake_at asks for an EV_TICK at that time. A batch that is full (EFFECTS_MAX) sets
 * wake_at to now: what did not fit is planned again.
 *
 * Pointers inside an action are borrowed from the facts and valid until the next step.
 *
 * Everything below struct core is for reading (status, why, plan); only agent/core writes it. */
#ifndef BERTH_CORE_H
#define BERTH_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "berth/config.h"
#include "berth/desired.h"
#include "berth/limits.h"
#include "berth/observed.h"
#include "berth/prng.h"

/* ------------------------------------------------------------------ events */

enum event_kind {
    EV_START,         /* first event: seed, remembered, have_stored_document */
    EV_TICK,          /* time has passed */
    EV_FETCHED,       /* a fetch ended: see enum fetch_result */
    EV_OBSERVED,      /* a look succeeded */
    EV_HINT,          /* something may have happened: hint names a container, NULL = anything */
    EV_DONE,          /* an action ended */
    EV_PROBED,        /* a probe ended */
    EV_PULL_PROGRESS, /* of the image `subject`: text, for people */
    EV_COMMAND,       /* an operator asked */
};

enum fetch_result {
    FETCH_NEW,    /* desired holds the document (the core takes the reference) */
    FETCH_SAME,   /* 304, or the same bytes as the last good one */
    FETCH_BAD,    /* arrived, but is no valid document: text says why */
    FETCH_FAILED, /* did not arrive: text says why */
    FETCH_STORED, /* desired is the last good document from disk, given right after EV_START */
};

/* How an action ended. Only REFUSED is a definite no; after UNKNOWN the core looks. */
enum outcome { OUTCOME_OK, OUTCOME_REFUSED, OUTCOME_UNKNOWN };

/* What a REFUSED outcome is evidence of. Only BLAME_IMAGE counts against a deployment. */
enum blame { BLAME_NOBODY, BLAME_IMAGE, BLAME_HOST };

enum command_kind {
    COMMAND_POLL,
    COMMAND_RESTART,
    COMMAND_STOP_TASK,
    COMMAND_NEW_SOURCE, /* another --desired URL: revisions start anew */
    COMMAND_RUNTIME_UP,
    COMMAND_RUNTIME_DOWN
};

struct event {
    enum event_kind kind;
    msec now;
    msec wall;
    uint64_t action; /* id of the action that this answers, 0 = none */

    /* EV_START */
    uint64_t seed;
    const struct memory *remembered; /* what ACT_SAVE saved last; NULL = nothing (lost or new) */

    /* EV_FETCHED */
    enum fetch_result fetched;
    struct desired *desired;
    msec retry_after_ms; /* the server's Retry-After or max-age; 0 = it said nothing */
    bool accept_older;   /* an operator allowed a lower revision */

    /* EV_OBSERVED: the core takes it and frees it */
    struct observed *observed;

    /* EV_HINT: container name or runtime id */
    const char *hint;

    /* EV_DONE, EV_PROBED, failed EV_FETCHED */
    enum outcome outcome;
    enum blame blame;
    const char *error;    /* ECS error name, if any: "CannotPullContainerError" */
    const char *text;     /* one sentence; also the probe's answer ("HTTP 503", "refused") */
    bool healthy;         /* EV_PROBED */
    bool image_was_local; /* EV_DONE of ACT_PULL: nothing was transferred */

    /* EV_COMMAND */
    enum command_kind command;
    const char *subject; /* service or task; image */
};

/* ------------------------------------------------------------------ effects */

enum action_kind {
    ACT_FETCH,   /* get the desired document */
    ACT_OBSERVE, /* look; container_name "" = everything with this host's label */
    ACT_PULL,    /* make image local; see pull_mode */
    ACT_CREATE,  /* create container `container` of task (render.h) under container_name */
    ACT_START,
    ACT_STOP,   /* stop, SIGKILL after stop_timeout_ms */
    ACT_REMOVE, /* remove a container that does not run, with its anonymous volumes; never force */
    ACT_PROBE,
    ACT_STEER, /* reserved: move a published port to other tasks */
    ACT_SAVE,  /* persist core_memory(); decisions that rest on it wait for the answer */
};

enum pull_mode {
    PULL_IF_ABSENT, /* no network call when the image is local */
    PULL_ASK,       /* ask the registry; on failure a local image will do */
    PULL_MUST,      /* ask the registry; failure is failure */
};

struct action {
    enum action_kind kind;
    uint64_t id;
    const char *container_name; /* OBSERVE CREATE START STOP REMOVE: the runtime's name */
    const char *service;        /* "" for one-off tasks and host-wide actions */
    const struct task *task;    /* CREATE START STOP REMOVE PROBE; NULL otherwise */
    size_t container;           /* index in task->containers */
    const char *image;          /* PULL */
    enum pull_mode pull_mode;
    msec stop_timeout_ms;                 /* STOP */
    const struct probe_definition *probe; /* PROBE, to address:port */
    const char *address;
    int64_t port;
    bool accept_older; /* FETCH */
    bool last;         /* REMOVE: the task's last container; its volumes may go too */
    char cause[160];   /* why, for plan, events and transcripts */
};

struct effects {
    struct action list[EFFECTS_MAX];
    size_t count;
    msec wake_at; /* MSEC_NEVER = nothing to wait for but events */
};

/* ------------------------------------------------------------------ facts */

/* Why something does not move. One list for status, why, plan and transcripts. */
#define WAIT_REASONS(X)                                                                            \
    X(WAIT_NONE, "nothing")                                                                        \
    X(WAIT_FIRST_LOOK, "the first look at the runtime is not done")                                \
    X(WAIT_DOCUMENT, "no desired-state document yet")                                              \
    X(WAIT_RUNTIME, "the container runtime does not answer")                                       \
    X(WAIT_SAVE, "what was decided is being saved first")                                          \
    X(WAIT_IMAGE, "an image is being pulled")                                                      \
    X(WAIT_IMAGE_RETRY, "an image could not be pulled; trying again later")                        \
    X(WAIT_BACKOFF, "restart backoff")                                                             \
    X(WAIT_PORT, "a host port is still held by another task")                                      \
    X(WAIT_MAXIMUM, "maximumPercent allows no further task now")                                   \
    X(WAIT_MINIMUM, "minimumHealthyPercent allows no stop now")                                    \
    X(WAIT_HEALTH, "tasks of the new deployment are not healthy yet")                              \
    X(WAIT_REPLACEMENT, "its replacement is not healthy yet")                                      \
    X(WAIT_DEPENDENCY, "a container that it depends on is not there yet")                          \
    X(WAIT_TURN, "the bound on parallel work of this host")                                        \
    X(WAIT_STOPPING, "a container takes its time to stop")                                         \
    X(WAIT_UNKNOWN, "a call's result is unknown; looking")                                         \
    X(WAIT_RETRY, "a call to the runtime failed; trying again")                                    \
    X(WAIT_FAILED, "the deployment failed; a new revision or a restart is needed")                 \
    X(WAIT_IMPOSSIBLE, "this host cannot do what the document asks")                               \
    X(WAIT_STALLED, "minimumHealthyPercent and maximumPercent leave no room to move")

enum wait_reason {
#define X(name, text) name,
    WAIT_REASONS(X)
#undef X
};

struct wait {
    enum wait_reason reason;
    msec since;
    char detail[160]; /* "port 8080/tcp, held by task 1a2b..", "" */
};

enum container_state { /* legal moves: agent/core/container.c */
                       CONTAINER_NONE,
                       CONTAINER_PULLING, /* waits for its image */
                       CONTAINER_CREATING,
                       CONTAINER_CREATED,
                       CONTAINER_STARTING,
                       CONTAINER_RUNNING,
                       CONTAINER_STOPPING,
                       CONTAINER_STOPPED,
                       CONTAINER_REMOVING,
                       CONTAINER_GONE,    /* removed, or will never be created */
                       CONTAINER_UNKNOWN, /* a call in flight was lost; only a look resolves it */
};
const char *container_state_name(enum container_state state);

struct container {
    const char *name;         /* the definition's */
    const char *runtime_name; /* render_container_name() */
    const char *image;
    const struct container_definition *definition; /* NULL when only labels are known */
    bool essential;
    const struct dependency *depends_on;
    size_t depends_on_count;
    msec start_timeout_ms, stop_timeout_ms;

    enum container_state state;
    uint64_t action;  /* the call in flight, 0 = none */
    uint64_t touched; /* id of the newest action when it was last touched: older looks are void */
    uint64_t look;    /* ACT_OBSERVE in flight for it */
    int look_failures;
    uint64_t seen_by;    /* the full look that last listed it */
    msec looked_at;      /* when a look last told its state */
    bool start_refused;  /* the runtime said no to the last start; the look decides what follows */
    bool create_lost;    /* a create without an answer: absence means it never happened */
    msec start_asked_at; /* by this agent */
    msec exited_at;      /* monotonic */
    msec pull_since;     /* when it began to wait for its image */
    bool look_needed;
    bool look_again; /* a hint came while a look was in flight */
    msec retry_at;   /* of a call that was refused by the host, not before */
    int retries;

    char runtime_id[65];
    char image_id[80];
    char address[46];
    struct observed_port *ports;
    size_t port_count;
    enum container_health health;
    char health_output[160];
    bool ever_started;
    msec started_at; /* monotonic, computed from the runtime's wall time when adopted */
    msec created_wall, started_wall, finished_wall;
    bool exit_known;
    int64_t exit_code;
    bool oom_killed;
    char reason[REASON_MAX]; /* ECS error name and sentence, "" */
    enum blame blame;
    bool lost_in_outage; /* its end was found by the first look after an outage */
    int restart_count;   /* restartPolicy */
    msec restarted_at;
    msec stop_asked_at;
    struct wait wait;
};

enum probe_state { PROBE_UNKNOWN, PROBE_HEALTHY, PROBE_UNHEALTHY };

struct probe_fact {
    struct probe_definition definition; /* path owned by the task */
    const char *container_name;
    int64_t container_port;
    enum protocol protocol;
    int64_t host_port;
    uint64_t action; /* in flight */
    msec next_at;
    int64_t successes, failures; /* in a row */
    enum probe_state state;
    bool answered;
    msec counted_at; /* when the last failure counted: once per interval */
    char last[120];  /* last answer */
    msec last_wall;
};

enum task_intent { INTENT_RUN, INTENT_STOP };

enum task_health { TASK_HEALTH_UNKNOWN, TASK_HEALTHY, TASK_UNHEALTHY };

struct task {
    struct arena arena;
    char id[TASK_ID_LEN + 1];
    char *service;                            /* "" for one-off tasks */
    struct service_fact *owner;               /* NULL for one-off tasks */
    struct task *service_next;                /* in owner->tasks */
    char *one_off;                            /* "" for service tasks */
    char *definition_name;                    /* "web:7" */
    const struct task_definition *definition; /* in the current document, or NULL */
    char digest_hex[DIGEST_HEX_LEN + 1];
    int64_t generation, slot, attempt;
    struct container *containers;
    size_t container_count;
    enum task_intent intent;
    bool adopted; /* found running by this agent, health unknown until checked */
    bool surplus; /* desiredCount is lower now: not among those that stay; found by every plan */
    bool counted; /* its death was counted in backoff and deployment */
    bool sick_counted;     /* its failed health was */
    enum blame blame;      /* what its death is evidence of */
    bool lost_in_outage;   /* it died while the runtime, or the agent, was away */
    bool stopped_by_us;    /* retire, scale-in, operator: not a failure */
    const char *stop_code; /* ECS: "EssentialContainerExited", "ServiceSchedulerInitiated", ... */
    char stopped_reason[REASON_MAX];
    msec created_at, running_at, healthy_at, stop_at, dead_at; /* 0 = not yet */
    msec created_wall, started_wall, stopping_wall, stopped_wall;
    struct probe_fact *probes; /* one per publish with a check or a port */
    size_t probe_count;
    const char *last_status; /* as reported last, to report changes once */
    enum task_health last_health;
    struct wait wait;
    struct task *next; /* in core->tasks, oldest first */
};

enum deployment_state { DEPLOYMENT_IN_PROGRESS, DEPLOYMENT_COMPLETED, DEPLOYMENT_FAILED };

/* One slot of a generation: at most one task that is meant to stay. */
struct slot {
    int64_t attempt; /* of the newest task */
    int deaths;      /* in a row */
    int level;       /* of the exponential backoff */
    msec not_before; /* backoff */
    msec last_start;
    struct task *keeper; /* newest task that is meant to stay; indexed anew by every plan */
};

struct deployment {
    int64_t generation;
    char digest_hex[DIGEST_HEX_LEN + 1];
    char *definition_name;
    enum deployment_state state;
    char reason[REASON_MAX];
    int64_t failed_tasks;
    int64_t document_revision;
    msec created_wall, updated_wall;
    msec created_at;  /* monotonic */
    msec progress_at; /* monotonic: the last time something got better */
    bool fresh;       /* made from a fetched document: a ":latest" asks the registry once */
    bool completed_once;
    uint64_t memory_version; /* acted on only once this version is saved */
    struct slot *slots;
    size_t slot_count;
    struct deployment *older; /* still has tasks */
};

struct service_fact {
    char *name;
    const struct service *wanted; /* in the current document; NULL = to be stopped */
    struct deployment *primary;   /* newest; ->older are ACTIVE while they have tasks */
    int64_t highest_generation;
    bool stop_first;   /* a fixed host port: two tasks cannot overlap */
    bool images_ready; /* of the newest deployment: nothing old stops for it before */
    char stop_first_reason[160];
    int64_t minimum, maximum; /* effective bounds */
    int64_t running, pending, healthy, live, old_live;
    struct wait wait;               /* why it is not where it should be */
    struct task *tasks, *last_task; /* oldest first; indexed anew by every plan */
    msec unwell_since;
    msec warned_at; /* of the last event that said it is not well */
    struct service_fact *next;
};

enum one_off_state { ONE_OFF_NEW, ONE_OFF_STARTED, ONE_OFF_STOPPED, ONE_OFF_LOST };

struct one_off_record {
    char *id;
    char *definition_name;
    char task_id[TASK_ID_LEN + 1];
    enum one_off_state state;
    bool exit_known;
    int64_t exit_code; /* of the first essential container */
    char reason[REASON_MAX];
    msec started_wall, stopped_wall;
    uint64_t memory_version;
};

enum image_state { IMAGE_UNKNOWN, IMAGE_PULLING, IMAGE_LOCAL, IMAGE_FAILED };

struct image {
    char *name;
    enum image_state state;
    uint64_t action;
    msec asked_at;  /* when the pull in flight or the last one began */
    msec fresh_at;  /* asked_at of the last one that the registry confirmed, -1 = never */
    msec failed_at; /* asked_at of the last one that failed, -1 = never */
    msec retry_at;
    int attempts;
    bool pulled_once; /* by this agent, ever: for pull behaviour "once" */
    enum blame blame;
    char progress[160]; /* while it is pulled: what the runtime said last */
    char error[REASON_MAX];
    struct image *next;
};

#define CHANGE_KINDS(X)                                                                            \
    X(CHANGE_AGENT, "agent")                                                                       \
    X(CHANGE_DOCUMENT, "document")                                                                 \
    X(CHANGE_RUNTIME, "runtime")                                                                   \
    X(CHANGE_SERVICE, "service")                                                                   \
    X(CHANGE_DEPLOYMENT, "deployment")                                                             \
    X(CHANGE_TASK, "task")                                                                         \
    X(CHANGE_CONTAINER, "container")                                                               \
    X(CHANGE_IMAGE, "image")

enum change_kind {
#define X(name, text) name,
    CHANGE_KINDS(X)
#undef X
};

struct change {
    uint64_t sequence; /* grows by one, from 1 */
    msec wall;
    enum change_kind kind;
    bool warning;
    char *service, *task_id, *container; /* "" where it does not apply */
    char *text;
};

/* A task that is gone, for `ps --all` and `why`. Rendered facts only. */
struct stopped_task {
    char id[TASK_ID_LEN + 1];
    char *service, *one_off, *definition_name;
    int64_t generation, slot, attempt;
    const char *stop_code;
    char *reason;
    msec created_wall, started_wall, stopping_wall, stopped_wall;
    size_t container_count;
    struct stopped_container {
        char *name, *runtime_name, *image, *image_id, *runtime_id, *reason;
        bool essential, exit_known, oom_killed;
        int64_t exit_code;
        int restart_count;
        msec started_wall, finished_wall;
    } * containers;
};

/* What must survive a restart of the agent; a cache that may be lost (rebuilt from labels). */
struct memory {
    struct arena arena;
    uint64_t epoch;   /* of the store: part of task ids */
    int64_t revision; /* highest accepted, of the document in effect */
    int64_t generation_floor;
    struct memory_service {
        const char *name;
        int64_t generation;
        const char *digest_hex, *definition_name, *reason;
        enum deployment_state state;
        int64_t failed_tasks, document_revision;
        bool completed_once;
        msec created_wall, updated_wall;
    } * services;
    size_t service_count;
    struct one_off_record *one_offs;
    size_t one_off_count;
    const char **pulled_images;
    size_t pulled_image_count;
};

struct core_options {
    const char *host_id, *cluster; /* copied */
    enum pull_behavior pull_behavior;
    msec poll_interval_ms, stop_timeout_ms, start_timeout_ms, settle_ms, progress_deadline_ms;
    msec backoff_base_ms, backoff_max_ms, backoff_reset_ms, quick_death_ms;
    msec resync_ms, keep_stopped_ms;
    int64_t max_pulls, max_starts, max_stops, max_probes;
    int64_t host_memory_mib; /* 0 = not known */
};
void core_options_default(struct core_options *ret);
void core_options_from(const struct config *config, struct core_options *ret);

struct core {
    struct core_options options;
    struct prng prng;
    bool started;
    msec now, wall;
    uint64_t next_action;
    uint64_t epoch;
    /* The highest generation of any service that is gone: one that comes back goes on from there,
     * and no task ever has the id of another. */
    int64_t generation_floor;

    struct desired *desired; /* in effect; NULL = none yet */
    bool document_decided;   /* stored, fetched, or known to be bad */
    bool observed_once;
    bool stored_only;         /* the document in effect came from disk */
    int64_t refused_revision; /* of a document that was refused, 0 = none */

    uint64_t fetch_action;
    msec fetch_at; /* next poll */
    bool fetch_asked, fetch_accept_older;
    bool accept_any;        /* the source changed: its first document sets the revision */
    uint64_t fetch_count;   /* fetches that ended, for those who wait for one */
    int64_t revision_floor; /* of this source: a lower revision is refused */
    int fetch_failures;
    msec last_fetch_wall;          /* last time the source answered */
    char last_error[ERR_TEXT_MAX]; /* of the source or of its document; "" = fine */

    bool runtime_reachable;
    msec runtime_down_since;
    bool outage; /* exits found by the next full look blame nobody */
    char runtime_error[REASON_MAX];
    uint64_t look_action; /* the full look in flight */
    msec look_at;         /* next full look */
    int look_failures;
    bool look_again;

    struct service_fact *services; /* in order of the document, then leftovers */
    struct task *tasks, *last_task;
    size_t task_count;
    uint32_t dropped[DROPPED_NAMES_KEPT]; /* hashes of names just removed: their last events */
    size_t dropped_next;
    uint64_t dropped_before;  /* looks with a lower id may still list the one dropped last */
    struct task **task_index; /* hash by id */
    size_t task_index_size;
    struct image *images;
    struct one_off_record *one_offs;
    size_t one_off_count;

    int64_t pulls, starts, stops, probes, looks; /* in flight */

    uint64_t memory_version; /* bumped by every fact worth remembering */
    uint64_t saved_version;  /* an attempt to save it has ended */
    uint64_t saving_version; /* in flight, 0 = none */
    uint64_t save_action;
    bool save_failed;
    msec save_retry_at;
    char save_error[REASON_MAX];

    struct change changes[CHANGES_KEPT];
    uint64_t change_sequence; /* of the newest */
    struct stopped_task stopped[STOPPED_TASKS_KEPT];
    size_t stopped_next, stopped_count;
};

struct core *core_new(const struct core_options *options);
void core_free(struct core *core);
void core_step(struct core *core, const struct event *event, struct effects *effects);

/* New options take effect with the next step (SIGHUP). host_id and cluster cannot change. */
void core_set_options(struct core *core, const struct core_options *options);

/* A deep copy that shares only the document: `plan` tries the future on it. */
struct core *core_clone(const struct core *core);

/* What ACT_SAVE must persist, as of now. memory_free() when done. */
struct memory *core_memory(const struct core *core);
void memory_free(struct memory *memory);

/* ------------------------------------------------------------------ reading */

bool core_ready(const struct core *core); /* first look done and a document decided on */
const struct service_fact *core_service(const struct core *core, const char *name);
const struct task *core_task(const struct core *core,
                             const char *id); /* id or unique prefix of >= 6 */
const struct one_off_record *core_one_off(const struct core *core, const char *id);
const struct change *core_change(const struct core *core, uint64_t sequence); /* NULL: not kept */
const char *wait_reason_text(enum wait_reason reason);
const char *change_kind_text(enum change_kind kind);
const char *deployment_state_name(enum deployment_state state); /* "IN_PROGRESS" */

/* ECS words, derived: PROVISIONING PENDING ACTIVATING RUNNING DEACTIVATING STOPPING
 * DEPROVISIONING STOPPED; RUNNING or STOPPED; UNKNOWN HEALTHY UNHEALTHY. */
const char *task_last_status(const struct core *core, const struct task *task);
const char *task_desired_status(const struct task *task);
const char *task_health_name(enum task_health health);
enum task_health task_health(const struct core *core, const struct task *task);
/* Task health as ECS aggregates it from container health checks alone. */
enum task_health task_container_health(const struct task *task);
const char *container_last_status(const struct container *container);
bool task_is_live(const struct task *task); /* may hold resources: not yet seen gone */

/* ------------------------------------------------------------------ plan */

struct plan_step {
    enum action_kind kind;
    char service[NAME_MAX_LEN + 1], task_id[TASK_ID_LEN + 1], container[NAME_MAX_LEN + 1];
    char image[256];
    char definition_name[NAME_MAX_LEN + 32];
    char cause[160];
};
struct plan {
    struct plan_step *steps;
    size_t count;
    bool cut; /* more than the bound */
    struct plan_note {
        char service[NAME_MAX_LEN + 1];
        char text[256];
    } * notes; /* stop-first, impossible, ... */
    size_t note_count;
};
/* Run the same core_step() on a copy of the facts in a world where every call succeeds, and list
 * what it does. desired may be NULL: the document in effect. */
struct plan *core_plan(const struct core *core, struct desired *desired);
void plan_free(struct plan *plan);
const char *action_kind_name(enum action_kind kind); /* "pull" "create" ... */

#endif
