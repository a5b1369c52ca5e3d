/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows inih. Debian's library joins indented lines to the value above, cuts
 * values at " ;", breaks lines after 200 bytes, ignores what follows a heading's "]" and goes on
 * after an error. Its switches cure some of that; for the rest it does not read the file but is
 * handed it line by line, each looked at first: comments go to it as empty lines, a line that it
 * and a human could take for two different things ends the reading.
 */
#include "service/config-file.h"

#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "service/text.h"

typedef struct Reader {
        const char *path;
        ConfigLineFn fn;
        void *userdata;
        ConfigError *error;
        ConfigError *first; /* not NULL: leave out what is wrong, and keep its first error here */

        char *bytes;
        size_t size;
        size_t at;
        bool world_readable;
        unsigned number; /* of the line handed out last */
        int result;      /* what ended the reading, 0 until then */
        char line[CONFIG_LINE_MAX_BYTES + 1];
} Reader;

/* Takes a character off the end that was cut in its middle. */
static void trim(char *text) {
        size_t n = strlen(text);

        while (n > 0 && (text[n - 1] & 0xc0) == 0x80)
                n--;
        if (n > 0 && (text[n - 1] & 0x80) != 0)
                text[n - 1] = '\0';
}

int config_error(ConfigError *error, const char *format, ...) {
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(error->text, sizeof(error->text), format, args);
        va_end(args);
        if (n >= (int) sizeof(error->text))
                trim(error->text);
        return CONFIG_E_INVALID;
}

ConfigShown config_shown(const char *value) {
        const char *more = "…";
        const size_t room = sizeof(ConfigShown) - strlen(more);
        ConfigShown shown;

        if (snprintf(shown.text, room, "%s", value) >= (int) room) {
                trim(shown.text);
                strcat(shown.text, more);
        }
        return shown;
}

/* Ends the reading, or leaves the line out; an error's text gets its place put in front. */
static int end(Reader *r, int result) {
        ConfigError what = *r->error;

        if (result == CONFIG_E_INVALID)
                (void) config_error(r->error, "%s:%u: %s", r->path, r->number, what.text);
        if (result == CONFIG_E_INVALID && r->first) {
                if (r->first->text[0] == '\0')
                        *r->first = *r->error;
                return 0;
        }
        r->result = result;
        return result;
}

/* About a line that inih shall not see. */
static int complain(Reader *r, const char *what) {
        (void) config_error(r->error, "%s", what);
        r->line[0] = '\0';
        return end(r, CONFIG_E_INVALID);
}

/* inih tells nobody of a heading, so that an unknown section without keys would go unnoticed. */
static int check_heading(Reader *r, char *heading) {
        char *bracket = strchr(heading, ']');
        ConfigLine line = {.number = r->number, .section = heading + 1};
        int result;

        if (!bracket)
                return complain(r, "expected [SECTION]: the \"]\" is missing");
        if (bracket[1 + strspn(bracket + 1, CONFIG_BLANKS)] != '\0')
                return complain(r, "expected [SECTION] and nothing behind it: comments stand on "
                                   "lines of their own");
        *bracket = '\0';
        result = r->fn(&line, r->userdata, r->error);
        *bracket = ']';
        return result == 0 ? 0 : end(r, result);
}

static int check_pair(Reader *r, const char *pair) {
        const char *separator = strpbrk(pair, "=:");

        if (!separator || *separator != '=')
                return complain(r, "expected KEY = VALUE, [SECTION] or a comment (# or ;)");
        if (separator == pair)
                return complain(r, "expected KEY = VALUE: the key is missing");
        return 0;
}

/* Looks at the n bytes of the next line and puts what inih is to see of it into r->line. */
static int take_line(Reader *r, const char *bytes, size_t n) {
        size_t blanks = 0;
        int c;

        if (n > 0 && bytes[n - 1] == '\r')
                n--;
        c = text_check(bytes, n, SIZE_MAX);
        if (c == TEXT_E_UTF8)
                return complain(r, "the line is not valid UTF-8");
        if (c != 0)
                return complain(r, "the line contains a control character");
        while (blanks < n && strchr(CONFIG_BLANKS, bytes[blanks]))
                blanks++;
        bytes += blanks;
        n -= blanks;
        r->line[0] = '\0';
        if (n == 0 || bytes[0] == '#' || bytes[0] == ';')
                return 0;
        if (n > CONFIG_LINE_MAX_BYTES)
                return complain(r, "the line is longer than 4096 bytes");
        memcpy(r->line, bytes, n);
        r->line[n] = '\0';
        return r->line[0] == '[' ? check_heading(r, r->line) : check_pair(r, r->line);
}

/* inih's reader, in the manner of fgets(). */
static char *next_line(char *buffer, int size, void *stream) {
        Reader *r = stream;
        const char *bytes = r->bytes + r->at, *newline;
        size_t n = r->size - r->at;

        if (r->result != 0 || n == 0)
                return NULL;
        newline = memchr(bytes, '\n', n);
        if (newline)
                n = (size_t) (newline - bytes);
        r->at += newline ? n + 1 : n;
        r->number++;
        if (take_line(r, bytes, n) != 0)
                return NULL;
        (void) snprintf(buffer, (size_t) size, "%s", r->line);
        return buffer;
}

/* inih's handler: 0 means failed. */
static int on_pair(void *userdata, const char *section, const char *key, const char *value) {
        Reader *r = userdata;
        ConfigLine line = {r->number, r->world_readable, section, key, value};
        int result = r->fn(&line, r->userdata, r->error);

        return result == 0 || end(r, result) == 0;
}

static int read_all(Reader *r, int fd) {
        ssize_t got;

        r->bytes = malloc(CONFIG_FILE_MAX_BYTES + 1);
        if (!r->bytes)
                return -ENOMEM;
        do {
                got = read(fd, r->bytes + r->size, CONFIG_FILE_MAX_BYTES + 1 - r->size);
                if (got > 0)
                        r->size += (size_t) got;
        } while (got > 0 || (got < 0 && errno == EINTR));
        if (got < 0)
                return config_error(r->error, "%s: %s", r->path, strerror(errno));
        if (r->size > CONFIG_FILE_MAX_BYTES)
                return config_error(r->error, "%s: larger than 1 MiB", r->path);
        return 0;
}

static int load(Reader *r) {
        _cleanup_(closep) int fd = open(r->path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        int result;

        if (fd < 0 || fstat(fd, &st) < 0)
                return config_error(r->error, "%s: %s", r->path, strerror(errno));
        r->world_readable = st.st_mode & S_IROTH;
        result = read_all(r, fd);
        if (result == 0 && r->size >= 3 && memcmp(r->bytes, "\xef\xbb\xbf", 3) == 0)
                r->at = 3;
        return result;
}

static void set_switches(void) {
        ini_allow_multiline = false;
        ini_allow_inline_comments = false;
        ini_allow_no_value = false;
        ini_stop_on_first_error = true;
        ini_use_stack = false;
        ini_max_line = ini_initial_alloc = CONFIG_LINE_MAX_BYTES + 1;
}

static int read_lines(Reader *r) {
        _cleanup_(freep) char *bytes = NULL;
        int result, line;

        result = load(r);
        bytes = r->bytes;
        if (result != 0)
                return result;
        set_switches();
        line = ini_parse_stream(next_line, r, on_pair, r);
        if (line < 0)
                return -ENOMEM;
        if (line > 0 && r->result == 0)
                return complain(r, "the line cannot be read");
        return r->result;
}

int config_file_read(const char *path, ConfigLineFn fn, void *userdata, ConfigError *error) {
        Reader r = {.path = path, .fn = fn, .userdata = userdata, .error = error};

        error->text[0] = '\0';
        return read_lines(&r);
}

int config_file_skim(const char *path, ConfigLineFn fn, void *userdata, ConfigError *error) {
        ConfigError last = {""};
        Reader r = {.path = path, .fn = fn, .userdata = userdata, .error = &last, .first = error};
        int result;

        error->text[0] = '\0';
        result = read_lines(&r);
        if (result == CONFIG_E_INVALID) /* not a line of it but the file */
                *error = last;
        return result == 0 && error->text[0] != '\0' ? CONFIG_E_INVALID : result;
}
