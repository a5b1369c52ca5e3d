/* SPDX-License-Identifier: MIT */
/*
 * Loads the configuration: the file, its drop-ins, what the whole must fulfil. Everything is read
 * into a Config of its own that is handed out only when all of it was right.
 *
 * Errors name the key and what would be right; config-file puts file and line in front. What stands
 * on the right side in [tokens] is never repeated in an error.
 */
#include "service/config.h"

#include <dirent.h>
#include <string.h>
#include <strings.h>

#include "service/config-keys.h"

/* The keys of one file: on which line each stands. */
typedef struct Loading {
        Config *config;
        unsigned lines[CONFIG_ROWS];
} Loading;

static int check_section(const char *section, ConfigError *error) {
        if (strcmp(section, "tokens") == 0)
                return 0;
        for (size_t i = 0; i < CONFIG_ROWS; i++)
                if (strcmp(section, config_rows[i].key.section) == 0)
                        return 0;
        return config_error(error,
                            "unknown section [%s]: expected [server], [limits], [history] or "
                            "[tokens]",
                            config_shown(section).text);
}

static int unknown_key(const ConfigLine *line, ConfigError *error) {
        char known[sizeof(error->text)] = "";
        size_t used = 0;

        for (size_t i = 0; i < CONFIG_ROWS; i++) {
                const ConfigKey *key = &config_rows[i].key;

                if (strcmp(line->key, key->key) == 0)
                        return config_error(error, "%s does not belong into [%s] but into [%s]",
                                            key->key, line->section, key->section);
                if (strcmp(line->section, key->section) == 0 && used < sizeof(known))
                        used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%s",
                                                  used > 0 ? ", " : "", key->key);
        }
        return config_error(error, "unknown key \"%s\": [%s] has %s", config_shown(line->key).text,
                            line->section, known);
}

static int on_key(Loading *l, const ConfigLine *line, ConfigError *error) {
        ConfigError what;
        const ConfigRow *row;
        size_t i;
        int r;

        for (i = 0, row = config_rows; i < CONFIG_ROWS; i++, row++)
                if (strcmp(row->key.key, line->key) == 0 &&
                    strcmp(row->key.section, line->section) == 0)
                        break;
        if (i == CONFIG_ROWS)
                return unknown_key(line, error);
        if (l->lines[i] != 0 && !row->list)
                return config_error(error, "%s stands there twice: first on line %u", line->key,
                                    l->lines[i]);
        if (line->value[0] == '\0')
                return config_error(error, "%s has no value: the default is %s", line->key,
                                    row->key.fallback);
        if (row->list && l->lines[i] == 0)
                *(size_t *) (void *) ((char *) l->config + row->offset) = 0;
        l->lines[i] = line->number;
        r = row->parse(l->config, row, line->value, error);
        if (r == CONFIG_E_INVALID && strpbrk(line->value, ";#")) {
                what = *error;
                (void) config_error(error, "%s (comments stand on lines of their own)", what.text);
        }
        return r;
}

/* Turns the right side of a line in [tokens] into a hash. */
static int parse_token(const ConfigLine *line, TokenHash *ret, bool *ret_plain,
                       ConfigError *error) {
        const char *prefix = "sha256:", *value = line->value;

        if (value[0] == '\0')
                return config_error(error, "the token is missing: expected NAME = TOKEN");
        if (strpbrk(value, CONFIG_BLANKS))
                return config_error(error, "the token contains a blank: expected NAME = TOKEN and "
                                           "nothing behind it");
        if (value[0] == '"' || value[0] == '\'')
                return config_error(error, "the token stands in quotes: leave them off, they would "
                                           "be part of it");
        *ret_plain = strncasecmp(value, prefix, strlen(prefix)) != 0;
        if (*ret_plain)
                return token_hash_secret(ret, value, strlen(value));
        if (token_hash_parse(ret, value + strlen(prefix)) != 0)
                return config_error(error, "expected 64 hexadecimal digits behind \"sha256:\"");
        return 0;
}

/* Reads the left side. A name that is too long is not shown: it may be a token, on the wrong side.
 */
static int parse_token_name(const char *key, Name *ret, ConfigError *error) {
        int r = name_parse(ret, key, strlen(key));

        if (r == NAME_E_LONG)
                return config_error(error, "expected NAME = TOKEN: %s", name_strerror(r));
        if (r > 0)
                return config_error(error, "\"%s\": expected NAME = TOKEN or * = TOKEN: %s",
                                    config_shown(key).text, name_strerror(r));
        return r;
}

static int add_token(Config *c, const ConfigLine *line, const Name *name, ConfigError *error) {
        char hex[TOKEN_HASH_BYTES * 2 + 1];
        bool plain = false;
        TokenHash hash;
        int r = parse_token(line, &hash, &plain, error);

        if (r != 0)
                return r;
        if (plain && line->world_readable)
                return config_error(error, "a token in clear, and everybody can read this file: "
                                           "chmod o= the file, or write sha256:HASH");
        r = token_table_add(c->tokens, &hash, name);
        if (r == TOKEN_E_EXISTS) {
                token_hash_format(&hash, hex);
                return config_error(error,
                                    "the token %.*s stands there twice: each token admits one name",
                                    TOKEN_ID_CHARS, hex);
        }
        if (r == 0)
                c->n_plain_tokens += plain;
        return fold(r);
}

static int on_token(Config *c, const ConfigLine *line, ConfigError *error) {
        bool any_name = strcmp(line->key, "*") == 0;
        ConfigError what;
        Name name;
        int r;

        r = any_name ? 0 : parse_token_name(line->key, &name, error);
        if (r != 0)
                return r;
        r = add_token(c, line, any_name ? NULL : &name, error);
        if (r == CONFIG_E_INVALID) {
                what = *error;
                (void) config_error(error, "%s: %s", line->key, what.text);
        }
        return r;
}

static int on_line(const ConfigLine *line, void *userdata, ConfigError *error) {
        Loading *l = userdata;

        if (!line->key)
                return check_section(line->section, error);
        if (line->section[0] == '\0')
                return config_error(
                        error,
                        "%s stands before any [SECTION]: expected [server], [limits], [history] or "
                        "[tokens] first",
                        config_shown(line->key).text);
        if (strcmp(line->section, "tokens") == 0)
                return on_token(l->config, line, error);
        return on_key(l, line, error);
}

static int load_file(Config *c, const char *path, ConfigError *error) {
        Loading l = {.config = c};

        return config_file_read(path, on_line, &l, error);
}

/* Keeps the first error of several files, and makes nothing of it. */
static int skim_file(Config *c, const char *path, ConfigError *error) {
        Loading l = {.config = c};
        ConfigError what;
        int r = config_file_skim(path, on_line, &l, &what);

        if (r == CONFIG_E_INVALID && error->text[0] == '\0')
                *error = what;
        return r < 0 ? r : 0;
}

static int is_drop_in(const struct dirent *entry) {
        const char *suffix = strrchr(entry->d_name, '.');

        return entry->d_name[0] != '.' && suffix && strcmp(suffix, ".ini") == 0;
}

/* Not alphasort(): the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

typedef int (*LoadFileFn)(Config *c, const char *path, ConfigError *error);

static int load_drop_in(Config *c, const char *directory, const char *name, LoadFileFn load,
                        ConfigError *error) {
        _cleanup_(freep) char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        return load(c, path, error);
}

/* The file itself, then its drop-ins. */
static int load_files(Config *c, const char *path, LoadFileFn load, ConfigError *error) {
        _cleanup_(freep) char *directory = NULL;
        struct dirent **entries;
        int n, r = load(c, path, error);

        if (r != 0)
                return r;
        if (asprintf(&directory, "%s.d", path) < 0)
                return -ENOMEM;
        n = scandir(directory, &entries, is_drop_in, by_name);
        if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        if (n < 0)
                return config_error(error, "%s: %s", directory, strerror(errno));
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = load_drop_in(c, directory, entries[i]->d_name, load, error);
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* What no single line can be blamed for. */
static int check_whole(const Config *c, const char *path, ConfigError *error) {
        if (c->limits.max_frame < c->limits.max_text + FRAME_OVERHEAD)
                return config_error(error,
                                    "%s: max_frame = %u is too small for max_text = %u: expected "
                                    "at least %u",
                                    path, c->limits.max_frame, c->limits.max_text,
                                    c->limits.max_text + FRAME_OVERHEAD);
        return 0;
}

static int config_new(Config **ret, ConfigError *error) {
        _cleanup_(config_freep) Config *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        r = token_table_new(&c->tokens);
        for (size_t i = 0; r == 0 && i < CONFIG_ROWS; i++)
                r = config_rows[i].parse(c, &config_rows[i], config_rows[i].key.fallback, error);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int config_load(Config **ret, const char *path, ConfigError *error) {
        _cleanup_(config_freep) Config *c = NULL;
        int r;

        error->text[0] = '\0';
        r = config_new(&c, error);
        if (r == 0 && path)
                r = load_files(c, path, load_file, error);
        if (r == 0 && path)
                r = check_whole(c, path, error);
        if (r != 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int config_skim(Config **ret, const char *path, ConfigError *error) {
        _cleanup_(config_freep) Config *c = NULL;
        int r;

        error->text[0] = '\0';
        r = config_new(&c, error);
        if (r == 0)
                r = load_files(c, path, skim_file, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return error->text[0] != '\0' ? CONFIG_E_INVALID : 0;
}

Config *config_free(Config *c) {
        if (!c)
                return NULL;
        free(c->control);
        free(c->admin_group);
        token_table_free(c->tokens);
        free(c);
        return NULL;
}

bool config_key(size_t i, ConfigKey *ret) {
        if (i >= CONFIG_ROWS)
                return false;
        *ret = config_rows[i].key;
        return true;
}

bool config_allows(const Config *c, const Address *peer) {
        for (size_t i = 0; i < c->n_allow; i++)
                if (network_contains(&c->allow[i], peer))
                        return true;
        return false;
}

static int is_other_token(const Token *token, void *userdata) {
        const Token *same = token_table_find(userdata, &token->hash);

        return !same || same->any_name != token->any_name ||
               (!token->any_name && !name_equal(&same->name, &token->name));
}

bool config_differs(const Config *a, const Config *b, const char *key) {
        if (strcmp(key, "tokens") == 0)
                return token_table_size(a->tokens) != token_table_size(b->tokens) ||
                       token_table_foreach(a->tokens, is_other_token, b->tokens) != 0;
        for (size_t i = 0; i < CONFIG_ROWS; i++)
                if (strcmp(config_rows[i].key.key, key) == 0)
                        return config_row_differs(&config_rows[i], a, b);
        return false;
}
