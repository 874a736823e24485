/* fields_unused.h: shapes that a task definition can hold and that are not mapped yet.
 * Their parts are checked for their type; the row that holds the whole gives the finding. */
#ifndef BERTH_MODEL_FIELDS_UNUSED_H
#define BERTH_MODEL_FIELDS_UNUSED_H

#include "agent/model/field.h"

extern const struct field_table repository_credentials_fields, environment_file_fields,
    volumes_from_fields, secret_fields, host_entry_fields, ulimit_fields, log_configuration_fields,
    system_control_fields, resource_requirement_fields, firelens_fields, docker_volume_fields,
    efs_volume_fields, s3files_volume_fields, fsx_volume_fields, placement_constraint_fields,
    tag_fields, proxy_fields, inference_accelerator_fields, ephemeral_storage_fields,
    linux_parameters_fields;

#endif
