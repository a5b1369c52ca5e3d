/* SPDX-License-Identifier: MIT */
/* What tests of state.db have in common. */
#include "tests/unit/states.h"

#include <sys/wait.h>

#include "tests/unit/test.h"
#include "tests/unit/tokens.h"

char *state_path(Files *f, const char *name) {
        char *path;

        assert_true(asprintf(&path, "%s/" STATE_DIRECTORY_NAME "%s%s", f->directory,
                             name ? "/" : "", name ? name : "") > 0);
        return path;
}

State *open_state(Files *f) {
        _cleanup_(freep) char *directory = state_path(f, NULL);
        StateError error = {""};
        State *s = NULL;
        int r = state_open(&s, directory, &error);

        if (r != 0)
                fail_msg("state_open: %d: %s", r, error.text);
        return s;
}

int commit_one(State *s, TokenChangeKind kind, const char *secret, const char *name) {
        TokenChange change = change_of(kind, secret, name);

        return state_commit(s, &change, 1);
}

/* A state with a token of alice's and one of bob's that is revoked. */
void make_state(Files *f) {
        State *s = open_state(f);

        assert_int_equal(commit_one(s, TOKEN_ADD, "a", "alice"), 0);
        assert_int_equal(commit_one(s, TOKEN_REVOKE, "b", "bob"), 0);
        state_free(s);
}

/* The same, left behind by a process that was killed: in the log, and not in the file. */
void make_state_and_die(Files *f) {
        int status;
        pid_t pid;

        state_free(open_state(f));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                State *s = open_state(f);

                if (commit_one(s, TOKEN_ADD, "a", "alice") != 0 ||
                    commit_one(s, TOKEN_REVOKE, "b", "bob") != 0)
                        _exit(1);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}
