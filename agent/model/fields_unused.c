/* fields_unused.c: see fields_unused.h. When one of these is mapped, its rows move to the tables
 * of what is, and get a place in a struct. */
#include "agent/model/fields_unused.h"

#include "agent/model/field_rows.h"

static const struct field repository_credentials_rows[] = {
    { "credentialsParameter", STRING, SILENT },
};
const struct field_table repository_credentials_fields =
    TABLE_UNUSED("repositoryCredentials", repository_credentials_rows);

static const struct field environment_file_rows[] = {
    { "value", STRING, SILENT },
    { "type", STRING, SILENT },
};
const struct field_table environment_file_fields =
    TABLE_UNUSED("an environment file", environment_file_rows);

static const struct field volumes_from_rows[] = {
    { "sourceContainer", STRING, SILENT },
    { "readOnly", BOOLEAN, SILENT },
};
const struct field_table volumes_from_fields = TABLE_UNUSED("volumesFrom", volumes_from_rows);

static const struct field secret_rows[] = {
    { "name", STRING, SILENT },
    { "valueFrom", STRING, SILENT },
};
const struct field_table secret_fields = TABLE_UNUSED("a secret", secret_rows);

static const struct field host_entry_rows[] = {
    { "hostname", STRING, SILENT },
    { "ipAddress", STRING, SILENT },
};
const struct field_table host_entry_fields = TABLE_UNUSED("an extra host", host_entry_rows);

static const struct field ulimit_rows[] = {
    { "name", STRING, SILENT },
    { "softLimit", INTEGER, SILENT },
    { "hardLimit", INTEGER, SILENT },
};
const struct field_table ulimit_fields = TABLE_UNUSED("a ulimit", ulimit_rows);

static const struct field log_configuration_rows[] = {
    { "logDriver", STRING, SILENT },
    { "options", MAP, SILENT },
    { "secretOptions", OBJECTS(secret_fields), SILENT },
};
const struct field_table log_configuration_fields =
    TABLE_UNUSED("logConfiguration", log_configuration_rows);

static const struct field system_control_rows[] = {
    { "namespace", STRING, SILENT },
    { "value", STRING, SILENT },
};
const struct field_table system_control_fields =
    TABLE_UNUSED("a system control", system_control_rows);

static const struct field resource_requirement_rows[] = {
    { "value", STRING, SILENT },
    { "type", STRING, SILENT },
};
const struct field_table resource_requirement_fields =
    TABLE_UNUSED("a resource requirement", resource_requirement_rows);

static const struct field firelens_rows[] = {
    { "type", STRING, SILENT },
    { "options", MAP, SILENT },
};
const struct field_table firelens_fields = TABLE_UNUSED("firelensConfiguration", firelens_rows);

static const struct field docker_volume_rows[] = {
    { "scope", STRING, SILENT },  { "autoprovision", BOOLEAN, SILENT },
    { "driver", STRING, SILENT }, { "driverOpts", MAP, SILENT },
    { "labels", MAP, SILENT },
};
const struct field_table docker_volume_fields =
    TABLE_UNUSED("dockerVolumeConfiguration", docker_volume_rows);

static const struct field efs_authorization_rows[] = {
    { "accessPointId", STRING, SILENT },
    { "iam", STRING, SILENT },
};
static const struct field_table efs_authorization_fields =
    TABLE_UNUSED("authorizationConfig", efs_authorization_rows);

static const struct field efs_volume_rows[] = {
    { "fileSystemId", STRING, SILENT },
    { "rootDirectory", STRING, SILENT },
    { "transitEncryption", STRING, SILENT },
    { "transitEncryptionPort", INTEGER, SILENT },
    { "authorizationConfig", OBJECT(efs_authorization_fields), SILENT },
};
const struct field_table efs_volume_fields =
    TABLE_UNUSED("efsVolumeConfiguration", efs_volume_rows);

static const struct field s3files_volume_rows[] = {
    { "fileSystemArn", STRING, SILENT },
    { "rootDirectory", STRING, SILENT },
    { "transitEncryptionPort", INTEGER, SILENT },
    { "accessPointArn", STRING, SILENT },
};
const struct field_table s3files_volume_fields =
    TABLE_UNUSED("s3filesVolumeConfiguration", s3files_volume_rows);

static const struct field fsx_authorization_rows[] = {
    { "credentialsParameter", STRING, SILENT },
    { "domain", STRING, SILENT },
};
static const struct field_table fsx_authorization_fields =
    TABLE_UNUSED("authorizationConfig", fsx_authorization_rows);

static const struct field fsx_volume_rows[] = {
    { "fileSystemId", STRING, SILENT },
    { "rootDirectory", STRING, SILENT },
    { "authorizationConfig", OBJECT(fsx_authorization_fields), SILENT },
};
const struct field_table fsx_volume_fields =
    TABLE_UNUSED("fsxWindowsFileServerVolumeConfiguration", fsx_volume_rows);

static const struct field placement_constraint_rows[] = {
    { "type", STRING, SILENT },
    { "expression", STRING, SILENT },
};
const struct field_table placement_constraint_fields =
    TABLE_UNUSED("a placement constraint", placement_constraint_rows);

static const struct field tag_rows[] = {
    { "key", STRING, SILENT },
    { "value", STRING, SILENT },
};
const struct field_table tag_fields = TABLE_UNUSED("a tag", tag_rows);

static const struct field proxy_property_rows[] = {
    { "name", STRING, SILENT },
    { "value", STRING, SILENT },
};
static const struct field_table proxy_property_fields =
    TABLE_UNUSED("a proxy property", proxy_property_rows);

static const struct field proxy_rows[] = {
    { "type", STRING, SILENT },
    { "containerName", STRING, SILENT },
    { "properties", OBJECTS(proxy_property_fields), SILENT },
};
const struct field_table proxy_fields = TABLE_UNUSED("proxyConfiguration", proxy_rows);

static const struct field inference_accelerator_rows[] = {
    { "deviceName", STRING, SILENT },
    { "deviceType", STRING, SILENT },
};
const struct field_table inference_accelerator_fields =
    TABLE_UNUSED("an inference accelerator", inference_accelerator_rows);

static const struct field ephemeral_storage_rows[] = {
    { "sizeInGiB", INTEGER, SILENT },
};
const struct field_table ephemeral_storage_fields =
    TABLE_UNUSED("ephemeralStorage", ephemeral_storage_rows);

static const struct field capabilities_rows[] = {
    { "add", STRINGS, REFUSED("the container would lack a capability that it asks for") },
    { "drop", STRINGS, REFUSED("the container would keep a capability that it gives up") },
};
static const struct field_table capabilities_fields =
    TABLE_UNUSED("capabilities", capabilities_rows);

static const struct field device_rows[] = {
    { "hostPath", STRING, SILENT },
    { "containerPath", STRING, SILENT },
    { "permissions", STRINGS, SILENT },
};
static const struct field_table device_fields = TABLE_UNUSED("a device", device_rows);

static const struct field tmpfs_rows[] = {
    { "containerPath", STRING, SILENT },
    { "size", INTEGER, SILENT },
    { "mountOptions", STRINGS, SILENT },
};
static const struct field_table tmpfs_fields = TABLE_UNUSED("a tmpfs", tmpfs_rows);

static const struct field linux_parameters_rows[] = {
    { "capabilities", OBJECT(capabilities_fields), SILENT },
    { "devices", OBJECTS(device_fields), REFUSED("the container would not see the device") },
    { "initProcessEnabled", BOOLEAN, REFUSED("the command would run as process 1, with no init") },
    { "sharedMemorySize", INTEGER, REFUSED("/dev/shm would have the runtime's default size") },
    { "tmpfs", OBJECTS(tmpfs_fields), REFUSED("the path would be on disk") },
    { "maxSwap", INTEGER, .zero_is_value = true,
      REFUSED("the container could swap as much as the runtime lets it") },
    { "swappiness", INTEGER, .zero_is_value = true, WARNED("the host's swappiness applies") },
};
const struct field_table linux_parameters_fields =
    TABLE_UNUSED("linuxParameters", linux_parameters_rows);
