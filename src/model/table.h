/* Table schemas: what a key is called and of which type. Immutable after start; shared. */
#ifndef MODEL_TABLE_H
#define MODEL_TABLE_H

#include "base/slice.h"

enum model_key_type { MODEL_KEY_S, MODEL_KEY_N, MODEL_KEY_B };

struct model_key_schema {
    char name[256]; /* "" = there is no such key */
    size_t name_len;
    enum model_key_type type;
};

struct model_table {
    char name[256];
    struct model_key_schema partition;
    struct model_key_schema sort;
};

/* 'S', 'N', 'B'. */
char model_key_type_letter(enum model_key_type t);
/* Names of 3..255 of [A-Za-z0-9_.-] (DynamoDB naming rules). */
int model_table_name_valid(struct slice name);
/* The body of CreateTable for it, PAY_PER_REQUEST, appended to out. 0 or ERR_NOMEM. */
struct buffer;
int model_table_create_body(const struct model_table *t, struct buffer *out);
/* Reads KeySchema and AttributeDefinitions of a DescribeTable response: 0 or ERR_PROTOCOL. */
int model_table_from_describe(struct slice response, struct model_table *out);

#endif
