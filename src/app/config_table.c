#include "app/config_table.h"

#define MAP(path, meaning)                                                                     \
    { path, CONFIG_MAP, "", 0, 0, NULL, meaning }
#define LIST(path, fallback, meaning)                                                          \
    { path, CONFIG_LIST, fallback, 0, 0, NULL, meaning }
#define STR(path, fallback, meaning)                                                           \
    { path, CONFIG_STRING, fallback, 0, 0, NULL, meaning }
#define NUM(path, fallback, min, max, meaning)                                                 \
    { path, CONFIG_NUMBER, fallback, min, max, NULL, meaning }
#define BOOL(path, fallback, meaning)                                                          \
    { path, CONFIG_BOOL, fallback, 0, 0, NULL, meaning }
#define CHOICE(path, fallback, choices, meaning)                                               \
    { path, CONFIG_CHOICE, fallback, 0, 0, choices, meaning }
#define STRMAP(path, meaning)                                                                  \
    { path, CONFIG_STRING_MAP, "", 0, 0, NULL, meaning }
#define STRS(path, meaning)                                                                    \
    { path, CONFIG_STRINGS, "", 0, 0, NULL, meaning }

#define DAY_MS 86400000u
#define GIB    (1ull << 30)

const struct config_key config_table[] = {
    LIST("listen", NULL, "where HTTP is served"),
    STR("listen[].address", NULL, "IPv4:port, [IPv6]:port or unix:/path"),
    MAP("listen[].tls", "serve HTTPS here"),
    STR("listen[].tls.certificate", NULL, "PEM file with the certificate chain"),
    STR("listen[].tls.key", NULL, "PEM file with the private key"),
    STR("admin", "127.0.0.1:9100",
        "address of /healthz, /readyz and /metrics; \"off\" for none"),
    STR("invoke", "off",
        "loopback address of the Lambda Invoke API, which asks for no credentials; \"off\" for "
        "none"),
    NUM("workers", "auto", 1, 1024,
        "threads that serve, each with its own loop; auto: one per CPU"),

    MAP("limits", "what a client may ask of us"),
    NUM("limits.body_bytes", "10485760", 1, GIB, "bytes of a request body; 413 beyond"),
    NUM("limits.head_bytes", "16384", 512, 1u << 20,
        "bytes of request line and headers; 431 beyond"),
    NUM("limits.target_bytes", "8192", 64, 1u << 16, "bytes of the request target; 414 beyond"),
    NUM("limits.header_count", "100", 1, 128, "header fields; 431 beyond"),
    NUM("limits.chunk_extension_bytes", "1024", 0, 1u << 16,
        "bytes of chunk extensions of a body"),
    NUM("limits.trailer_bytes", "2048", 0, 1u << 16, "bytes of trailers, which are dropped"),
    NUM("limits.connections", "auto", 1, 10000000,
        "client connections, all workers; auto: 80 % of the descriptor limit less what we "
        "need"),
    NUM("limits.pipeline_depth", "32", 1, 1024,
        "pipelined requests of a connection worked on at a time"),
    NUM("limits.out_bytes", "262144", 4096, GIB,
        "unsent answer bytes of a connection; reading pauses"),
    NUM("limits.request_bytes", "268435456", 65536, 64 * GIB,
        "bytes of requests in memory, all workers; 503 beyond"),
    NUM("limits.header_timeout_ms", "10000", 1, DAY_MS,
        "milliseconds for a whole head; 408 beyond"),
    NUM("limits.body_timeout_ms", "10000", 1, DAY_MS,
        "milliseconds without progress of a body; 408"),
    NUM("limits.body_min_rate", "100", 0, GIB,
        "bytes per second a body must come at, on average"),
    NUM("limits.first_byte_timeout_ms", "10000", 1, DAY_MS,
        "milliseconds a new connection may stay silent"),
    NUM("limits.idle_timeout_ms", "75000", 1, DAY_MS,
        "milliseconds between requests; longer than the load balancer's (60 s)"),
    NUM("limits.write_timeout_ms", "30000", 1, DAY_MS,
        "milliseconds an answer may stay unread"),
    NUM("limits.linger_ms", "2000", 0, DAY_MS, "milliseconds a refused connection is drained"),
    NUM("limits.linger_bytes", "65536", 0, GIB, "bytes a refused connection is drained"),
    NUM("limits.invocations", "16384", 1, 10000000,
        "invocations at a time per worker; 503 beyond"),

    MAP("drain", "what SIGTERM does"),
    NUM("drain.wait_ms", "0", 0, DAY_MS,
        "milliseconds with readiness failing before the door closes"),
    NUM("drain.deadline_ms", "25000", 0, DAY_MS, "milliseconds to finish what is in flight"),

    MAP("stage", "the stage of the API"),
    STR("stage.name", "$default", "first segment of every path; $default: none"),
    STRMAP("stage.variables", "$stageVariables.NAME in handlers"),

    MAP("dynamodb", "where and how to write"),
    STR("dynamodb.region", "", "AWS region; else AWS_REGION, AWS_DEFAULT_REGION, the profile"),
    STR("dynamodb.endpoint", "",
        "URL; else AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL, the profile, the region's"),
    STR("dynamodb.ca_file", "/etc/ssl/certs/ca-certificates.crt",
        "PEM file of trusted authorities"),
    NUM("dynamodb.max_connections", "64", 1, 4096, "connections per worker"),
    NUM("dynamodb.warm_connections", "8", 1, 4096, "connections opened ahead, per worker"),
    NUM("dynamodb.pipeline_depth", "1", 1, 64, "requests in flight on one connection"),
    NUM("dynamodb.connect_timeout_ms", "3000", 1, DAY_MS,
        "milliseconds for TCP and TLS together"),
    NUM("dynamodb.response_timeout_ms", "5000", 1, DAY_MS,
        "milliseconds from request to response"),
    NUM("dynamodb.idle_timeout_ms", "50000", 1, 59000,
        "milliseconds a connection may lie idle"),
    NUM("dynamodb.max_age_ms", "600000", 1000, DAY_MS, "milliseconds a connection may live"),
    NUM("dynamodb.deadline_ms", "10000", 1, DAY_MS,
        "milliseconds an operation may take, retries included"),
    NUM("dynamodb.max_attempts", "4", 1, 100, "attempts per operation"),
    NUM("dynamodb.queue_ops", "16384", 1, 10000000, "operations held per worker; 503 beyond"),
    NUM("dynamodb.queue_bytes", "67108864", 1u << 20, 64 * GIB, "and their bytes"),
    MAP("dynamodb.batch", "coalescing of puts and deletes into BatchWriteItem"),
    NUM("dynamodb.batch.max_items", "25", 1, 25, "operations in a batch; 1: no coalescing"),
    NUM("dynamodb.batch.max_delay_ms", "1", 0, 1000,
        "milliseconds an operation may wait for others"),

    LIST("tables", "", "the tables that routes name"),
    STR("tables[].name", NULL, "3 to 255 of A-Z a-z 0-9 _ . -"),
    MAP("tables[].partition_key", "read from DescribeTable at start when absent"),
    STR("tables[].partition_key.name", NULL, "attribute name"),
    CHOICE("tables[].partition_key.type", "S", "S|N|B", "attribute type"),
    MAP("tables[].sort_key", "when the table has one"),
    STR("tables[].sort_key.name", NULL, "attribute name"),
    CHOICE("tables[].sort_key.type", "S", "S|N|B", "attribute type"),
    BOOL("tables[].create_if_missing", "false",
         "create it on demand (PAY_PER_REQUEST) at start"),

    LIST("functions", "", "handlers of your own"),
    STR("functions[].name", NULL, "what routes call it; for a library, the exported handler"),
    STR("functions[].library", "", "shared library with a handler in C (penstock/handler.h)"),
    STRS("functions[].command",
         "program and arguments of a function that speaks the Lambda Runtime API"),
    STR("functions[].directory", "", "where the command runs; else where penstock does"),
    NUM("functions[].concurrency", "1", 1, 1000,
        "processes at a time, all workers; at least one each"),
    NUM("functions[].per_process", "1", 1, 1000,
        "invocations at a time in a process (AWS_LAMBDA_MAX_CONCURRENCY)"),
    NUM("functions[].warm", "0", 0, 1000,
        "processes kept ready, all workers; 0: started on demand"),
    NUM("functions[].queue_max", "1000", 1, 1000000,
        "invocations waiting for a process, per worker; 429 beyond"),
    NUM("functions[].timeout_ms", "3000", 1, 900000,
        "milliseconds an invocation may take; as long may it wait for a process"),
    NUM("functions[].init_timeout_ms", "10000", 1, 900000,
        "milliseconds from start to the first request for work"),
    NUM("functions[].recycle_calls", "0", 0, GIB,
        "invocations after which a process is replaced; 0: never"),
    NUM("functions[].recycle_bytes", "0", 0, 1024 * GIB,
        "resident bytes beyond which a process is replaced; 0: never"),
    NUM("functions[].memory_mb", "128", 1, 1048576,
        "mebibytes that AWS_LAMBDA_FUNCTION_MEMORY_SIZE says"),
    STRMAP("functions[].environment", "environment of the command, settings of the library"),

    LIST("routes", NULL, "what is served"),
    STR("routes[].route", NULL,
        "\"METHOD /path/{param}\", \"ANY /path/{proxy+}\" or \"$default\""),
    NUM("routes[].body_bytes", "0", 0, GIB, "this route's own limit; 0: limits.body_bytes"),
    NUM("routes[].timeout_ms", "29000", 1, 900000, "milliseconds to the answer; 504 beyond"),
    STR("routes[].function", "", "name of a function"),
    CHOICE("routes[].payload_format", "2.0", "1.0|2.0", "event format a function gets"),
    MAP("routes[].put_item", "store the body: an object, an array or NDJSON"),
    STR("routes[].put_item.table", NULL, "name of a table above"),
    STRMAP("routes[].put_item.set",
           "attributes added: $context.X, $stageVariables.X, $uuid, $now+30d, or text"),
    STRMAP("routes[].put_item.types", "attributes that are SS, NS, BS or B"),
    STR("routes[].put_item.condition", "", "a ConditionExpression; 409 when it fails"),
    NUM("routes[].put_item.items_max", "1000", 1, 100000, "items in one body; 413 beyond"),
    MAP("routes[].get_item", "read the item the path names"),
    STR("routes[].get_item.table", NULL, "name of a table above"),
    MAP("routes[].query", "read the items of a partition key"),
    STR("routes[].query.table", NULL, "name of a table above"),
    NUM("routes[].query.limit", "50", 1, 1000, "items per page, at most"),
    MAP("routes[].update_item", "merge the body into the item (RFC 7396, top level)"),
    STR("routes[].update_item.table", NULL, "name of a table above"),
    STRMAP("routes[].update_item.types", "attributes that are SS, NS, BS or B"),
    STR("routes[].update_item.condition", "", "a ConditionExpression; 409 when it fails"),
    MAP("routes[].delete_item", "delete the item the path names"),
    STR("routes[].delete_item.table", NULL, "name of a table above"),
    STR("routes[].delete_item.condition", "", "a ConditionExpression; 409 when it fails"),

    MAP("log", "what is written to standard error"),
    CHOICE("log.level", "info", "debug|info|warn|error|off", "least level that is written"),
    BOOL("log.access", "true", "a line for every request"),
};

const size_t config_table_count = sizeof config_table / sizeof config_table[0];
