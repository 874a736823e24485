/* image.c: images as facts: what is local, what is being pulled, what could not be had.
 *
 * One pull per image at a time serves all who wait for it. ECS's four behaviours: prefer-cached
 * asks nobody about what is local, except that a new deployment of a moving tag asks once;
 * default asks at every start and falls back to the local image; always and once fail instead. */
#include "berth/render.h"
#include "inside.h"

#define PULL_RETRY_MIN SECONDS(5)
#define PULL_RETRY_MAX MINUTES(5)

struct image *image_find(const struct core *core, const char *name)
{
    for (struct image *image = core->images; image; image = image->next)
        if (str_equal(image->name, name))
            return image;
    return NULL;
}

struct image *image_get(struct core *core, const char *name)
{
    struct image *image = image_find(core, name);
    if (image)
        return image;
    image = memory_alloc(sizeof *image);
    image->name = memory_strdup(name);
    image->fresh_at = -1;
    image->failed_at = -1;
    image->next = core->images;
    core->images = image;
    return image;
}

static void image_free(struct image *image)
{
    free(image->name);
    free(image);
}

void images_free(struct core *core)
{
    while (core->images) {
        struct image *image = core->images;
        core->images = image->next;
        image_free(image);
    }
}

static bool image_is_wanted(const struct core *core, const struct image *image)
{
    if (image->action || (image->pulled_once && core->options.pull_behavior == PULL_ONCE))
        return true;
    for (size_t i = 0; core->desired && i < core->desired->definition_count; i++) {
        const struct task_definition *definition = &core->desired->definitions[i];
        for (size_t k = 0; k < definition->container_count; k++)
            if (str_equal(definition->containers[k].image, image->name))
                return true;
    }
    return false;
}

/* With every new document: what it does not name is forgotten, so that facts do not pile up. */
void images_purge(struct core *core)
{
    struct image **link = &core->images;
    while (*link) {
        struct image *image = *link;
        if (image_is_wanted(core, image)) {
            link = &image->next;
            continue;
        }
        *link = image->next;
        image_free(image);
    }
}

static enum pull_mode mode_for(const struct core *core, const struct image *image, bool fresh)
{
    switch (core->options.pull_behavior) {
    case PULL_DEFAULT:
        return core->stored_only ? PULL_IF_ABSENT : PULL_ASK;
    case PULL_ALWAYS:
        return PULL_MUST;
    case PULL_ONCE:
        return image->pulled_once ? PULL_IF_ABSENT : PULL_MUST;
    case PULL_PREFER_CACHED:
        return fresh && image_is_latest(image->name) ? PULL_ASK : PULL_IF_ABSENT;
    }
    return PULL_IF_ABSENT;
}

static bool is_satisfied(const struct image *image, enum pull_mode mode, msec since)
{
    if (image->state != IMAGE_LOCAL)
        return false;
    return mode == PULL_IF_ABSENT || image->fresh_at >= since;
}

static void start_pull(struct step *step, struct image *image, enum pull_mode mode,
                       const char *service, struct wait *wait)
{
    struct core *core = step->core;
    if (!step_may_act(step, wait))
        return;
    if (core->pulls >= core->options.max_pulls) {
        wait_set(wait, core, WAIT_TURN, "%lld pulls under way", (long long)core->pulls);
        return;
    }
    struct action *action = step_action(step, ACT_PULL);
    if (!action)
        return;
    action->image = image->name;
    action->pull_mode = mode;
    action->service = service;
    action_cause(action,
                 mode == PULL_IF_ABSENT ? "%s is needed here"
                                        : "%s is to be asked for at its registry",
                 image->name);
    image->action = action->id;
    image->asked_at = core->now;
    image->state = IMAGE_PULLING;
    core->pulls++;
    wait_set(wait, core, WAIT_IMAGE, "%.150s", image->name);
}

enum image_verdict image_need(struct step *step, const char *name, const struct image_wish *wish,
                              const char *service, struct wait *wait)
{
    struct core *core = step->core;
    struct image *image = image_get(core, name);
    enum pull_mode mode = mode_for(core, image, wish->fresh);
    if (image->action) {
        wait_set(wait, core, WAIT_IMAGE, "%.80s%s%s", name, *image->progress ? ": " : "",
                 image->progress);
        return IMAGE_COMES;
    }
    if (is_satisfied(image, mode, wish->confirmed_since))
        return IMAGE_READY;
    if (image->state == IMAGE_FAILED && image->blame == BLAME_IMAGE &&
        image->failed_at >= wish->asked_since)
        return IMAGE_WONT;
    bool again = image->blame == BLAME_IMAGE && wish->asked_since != MSEC_NEVER;
    if (image->state == IMAGE_FAILED && !again && core->now < image->retry_at) {
        wait_set(wait, core, WAIT_IMAGE_RETRY, "%.150s", image->error);
        step_wake(step, image->retry_at);
        return IMAGE_RETRIES;
    }
    start_pull(step, image, mode, service, wait);
    return IMAGE_COMES;
}

static void pull_succeeded(struct core *core, struct image *image, bool was_local)
{
    image->state = IMAGE_LOCAL;
    image->fresh_at = image->asked_at;
    image->attempts = 0;
    image->error[0] = '\0';
    if (!was_local)
        change_emit(core, CHANGE_IMAGE, false, "", "", "", "%s pulled", image->name);
    /* "once" insists on the registry's answer, and "up to date" is one. */
    bool confirmed = !was_local || core->options.pull_behavior == PULL_ONCE;
    if (image->pulled_once || !confirmed)
        return;
    image->pulled_once = true;
    core_remember(core);
}

static void pull_failed(struct core *core, struct image *image, const struct event *event)
{
    bool named = event->error && *event->error;
    image->state = IMAGE_FAILED;
    image->failed_at = image->asked_at;
    image->blame = event->blame;
    msec delay = PULL_RETRY_MIN;
    for (int i = 0; i < image->attempts && delay < PULL_RETRY_MAX; i++)
        delay *= 2;
    image->attempts++;
    image->retry_at =
        core->now + prng_jitter(&core->prng, delay < PULL_RETRY_MAX ? delay : PULL_RETRY_MAX, 25);
    (void)snprintf(image->error, sizeof image->error, "%s: %.200s",
                   named ? event->error : "CannotPullContainerError",
                   event->text ? event->text : "no answer");
    change_emit(core, CHANGE_IMAGE, true, "", "", "", "%s could not be pulled: %s", image->name,
                image->error);
}

void fold_pull_progress(struct core *core, const struct event *event)
{
    struct image *image = image_find(core, event->subject);
    if (image && image->action)
        (void)snprintf(image->progress, sizeof image->progress, "%s", event->text);
}

void fold_pulled(struct core *core, const struct event *event)
{
    core->pulls--;
    ASSERT(core->pulls >= 0);
    for (struct image *image = core->images; image; image = image->next) {
        if (image->action != event->action)
            continue;
        image->action = 0;
        image->progress[0] = '\0';
        if (event->outcome == OUTCOME_OK)
            pull_succeeded(core, image, event->image_was_local);
        else
            pull_failed(core, image, event);
        return;
    }
}
