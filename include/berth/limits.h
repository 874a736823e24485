/* limits.h: every bound of the program in one place. Sizes in bytes, times in ms unless named. */
#ifndef BERTH_LIMITS_H
#define BERTH_LIMITS_H

#include <stdint.h>

typedef int64_t msec; /* milliseconds; on a monotonic clock unless the name says wall */

#define MSEC_NEVER INT64_MAX
#define SECONDS(n) ((msec)(n)*1000)
#define MINUTES(n) ((msec)(n)*60 * 1000)

/* The document. ECS: 10 containers per task definition, 255 characters per name. */
#define DOCUMENT_BYTES_MAX (4 * 1024 * 1024)
#define JSON_DEPTH_MAX 64
#define FINDINGS_MAX 200
#define NAME_MAX_LEN 255
#define TASK_DEFINITIONS_MAX 2000
#define SERVICES_MAX 1000
#define ONE_OFFS_MAX 1000
#define CONTAINERS_PER_TASK_MAX 10
#define PUBLISH_PER_SERVICE_MAX 16
#define DESIRED_COUNT_MAX 10000

/* Core. */
#define TASKS_MAX 20000
#define ADOPTED_CONTAINERS_MAX 64         /* of one task; more carry its label only by mistake */
#define GENERATION_MAX (INT64_C(1) << 50) /* a label beyond it is no count of ours */
#define EFFECTS_MAX 64         /* per step; what does not fit is planned again in the next */
#define CHANGES_KEPT 512       /* state changes held for `berth events` */
#define STOPPED_TASKS_KEPT 100 /* history of `berth ps --all` */
#define ONE_OFF_RECORDS_KEPT 1000
#define DROPPED_NAMES_KEPT 128
#define TASK_ID_LEN 32
#define REASON_MAX 256

/* Edge. */
#define HTTP_BODY_MAX (64 * 1024 * 1024) /* an answer of the runtime (list of 10,000) */
#define CONTROL_REQUEST_MAX (DOCUMENT_BYTES_MAX + 64 * 1024)
#define CONTROL_CONNECTIONS_MAX 256
#define STREAM_LAG_MAX (1024 * 1024) /* a log client further behind is dropped */
#define EVENT_LINE_MAX (256 * 1024)  /* one line of the runtime's event stream */

#endif
