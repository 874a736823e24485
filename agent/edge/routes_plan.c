/* POST /v1/validate and POST /v1/plan: what a document is, and what it would do here. */
#include "agent/edge/routes_internal.h"

/* ------------------------------------------------------------------ validate */

void route_validate(struct route_call *call)
{
    size_t len;
    const char *body = control_body(call->request, &len);
    struct findings findings = { 0 };
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    desired_unref(desired_parse(body, len, &findings));
    json_begin(&writer, &out);
    findings_render(&findings, &writer);
    findings_release(&findings);
    routes_answer(call->request, 200, &out);
}

/* ------------------------------------------------------------------ plan */

/* Looks, fetches, probes and saves are how the agent works, not what happens to the host. */
static bool step_shows(enum action_kind kind)
{
    switch (kind) {
    case ACT_PULL:
    case ACT_CREATE:
    case ACT_START:
    case ACT_STOP:
    case ACT_REMOVE:
    case ACT_STEER:
        return true;
    case ACT_FETCH:
    case ACT_OBSERVE:
    case ACT_PROBE:
    case ACT_SAVE:
        return false;
    }
    return false;
}

static void step_render(const struct plan_step *step, struct json_writer *writer)
{
    json_object(writer);
    json_string_member(writer, "action", action_kind_name(step->kind));
    routes_text_member(writer, "service", step->service);
    routes_text_member(writer, "taskDefinition", step->definition_name);
    routes_text_member(writer, "taskId", step->task_id);
    routes_text_member(writer, "container", step->container);
    routes_text_member(writer, "image", step->image);
    routes_text_member(writer, "cause", step->cause);
    json_object_end(writer);
}

static bool steps_render(const struct plan *plan, struct json_writer *writer)
{
    bool changes = false;
    json_key(writer, "steps");
    json_array(writer);
    for (size_t i = 0; i < plan->count; i++) {
        if (!step_shows(plan->steps[i].kind))
            continue;
        step_render(&plan->steps[i], writer);
        changes = true;
    }
    json_array_end(writer);
    return changes;
}

static void notes_render(const struct plan *plan, struct json_writer *writer)
{
    json_key(writer, "notes");
    json_array(writer);
    for (size_t i = 0; i < plan->note_count; i++) {
        json_object(writer);
        routes_text_member(writer, "service", plan->notes[i].service);
        json_string_member(writer, "text", plan->notes[i].text);
        json_object_end(writer);
    }
    json_array_end(writer);
}

static void plan_answer(struct route_call *call, struct desired *desired)
{
    const struct desired *planned = desired ? desired : call->core->desired;
    struct plan *plan = core_plan(call->core, desired);
    struct str out;
    struct json_writer writer;
    str_init(&out, ROUTES_ANSWER_MAX);
    json_begin(&writer, &out);
    json_object(&writer);
    json_int_member(&writer, "revision", planned->revision);
    bool changes = steps_render(plan, &writer);
    notes_render(plan, &writer);
    json_bool_member(&writer, "changes", changes);
    json_bool_member(&writer, "truncated", plan->cut);
    json_object_end(&writer);
    plan_free(plan);
    routes_answer(call->request, 200, &out);
}

static void answer_invalid(struct control_request *request, const struct findings *findings)
{
    char first[400];
    size_t more = findings->errors > 0 ? findings->errors - 1 : 0;
    (void)findings_first_error(findings, first, sizeof first);
    if (more == 0)
        control_error(request, 400, "InvalidDocument", "%s", first);
    else
        control_error(request, 400, "InvalidDocument", "%s (and %zu more)", first, more);
}

void route_plan(struct route_call *call)
{
    size_t len;
    const char *body = control_body(call->request, &len);
    struct findings findings = { 0 };
    struct desired *desired = len > 0 ? desired_parse(body, len, &findings) : NULL;
    if (len > 0 && !desired)
        answer_invalid(call->request, &findings);
    else if (!call->core->observed_once)
        control_error(call->request, 503, "NotReady", "%s", wait_reason_text(WAIT_FIRST_LOOK));
    else if (!desired && !call->core->desired)
        control_error(call->request, 503, "NotReady", "%s", wait_reason_text(WAIT_DOCUMENT));
    else
        plan_answer(call, desired);
    findings_release(&findings);
    desired_unref(desired);
}
