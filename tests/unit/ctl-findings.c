/* SPDX-License-Identifier: MIT */
/* What is found when daemon, files and unit are compared, and what is not. */
#include "ctl/findings.h"

#include <string.h>

#include "tests/unit/test.h"

#define MOST 8 /* in a list */
#define LISTS 8
#define RELOAD ": systemctl daemon-reload"
#define RESTART RELOAD " && systemctl restart chatroom.socket"

/* A daemon and a unit, from lists that are separated by blanks. */
typedef struct Scene {
        Chatroom__V1__CheckResponse answer;
        Unit unit;
        char text[LISTS][256];
        char *words[LISTS][MOST];
        Prefix prefixes[2][MOST];
        size_t n_lists;
} Scene;

static char **split(Scene *s, const char *list, size_t *ret_n) {
        char *text = s->text[s->n_lists], **words = s->words[s->n_lists], *rest = NULL;

        assert_true(s->n_lists++ < LISTS);
        snprintf(text, sizeof(s->text[0]), "%s", list);
        *ret_n = 0;
        for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
                assert_true(*ret_n < MOST);
                words[(*ret_n)++] = word;
        }
        return words;
}

static Prefix *parse(Scene *s, const char *list, size_t which, size_t *ret_n) {
        char **words = split(s, list, ret_n);

        for (size_t i = 0; i < *ret_n; i++)
                assert_int_equal(prefix_parse(&s->prefixes[which][i], words[i]), 0);
        return s->prefixes[which];
}

static void configured(Scene *s, const char *allow, const char *listen) {
        *s = (Scene){.answer = CHATROOM__V1__CHECK_RESPONSE__INIT};
        s->answer.allow = split(s, allow, &s->answer.n_allow);
        s->answer.listen = split(s, listen, &s->answer.n_listen);
        s->answer.listening = s->answer.listen;
        s->answer.n_listening = s->answer.n_listen;
}

static void unit(Scene *s, const char *allow, const char *deny, const char *listen) {
        s->unit.allow = parse(s, allow, 0, &s->unit.n_allow);
        s->unit.deny = parse(s, deny, 1, &s->unit.n_deny);
        s->unit.listen = split(s, listen, &s->unit.n_listen);
}

static void assert_findings(const Scene *s, const char *expected) {
        _cleanup_(findings_done) Findings f;
        char found[1024] = "";

        assert_int_equal(findings_collect(&f, &s->answer, s->unit.listen ? &s->unit : NULL), 0);
        for (size_t i = 0; i < f.n; i++)
                snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s\n", f.lines[i]);
        assert_string_equal(found, expected);
}

#define ANY "0.0.0.0/0 ::/0"
#define DEFAULT "127.0.0.0/8 ::1/128 100.64.0.0/10 fd7a:115c:a1e0::/48"

static void when_all_agree_nothing_is_found(void **state) {
        Scene s;

        configured(&s, DEFAULT, "[::]:50051");
        assert_findings(&s, "");
        unit(&s, "fd7a:115c:a1e0::/48 100.64.0.0/10 127.0.0.0/8 ::1/128", ANY, "[::]:50051");
        assert_findings(&s, "");
        configured(&s, "10.0.0.0/9 10.128.0.0/9", "127.0.0.1:1 [::1]:1");
        unit(&s, "10.128.0.0/9 10.0.0.0/9", ANY, "[::1]:1 127.0.0.1:1");
        assert_findings(&s, "");
}

static void systemd_leaves_out_what_a_wider_network_covers(void **state) {
        Scene s;

        configured(&s, "127.0.0.0/8 127.0.0.1/32 10.0.0.0/8 10.1.0.0/16", "[::]:1");
        unit(&s, "127.0.0.0/8 10.0.0.0/8", ANY, "[::]:1");
        assert_findings(&s, "");
        configured(&s, "0.0.0.0/0 ::/0 10.0.0.0/8", "[::]:1");
        unit(&s, "0.0.0.0/0 ::/0", ANY, "[::]:1");
        assert_findings(&s, "");
        unit(&s, "", "", "[::]:1"); /* lets everybody through, as well */
        assert_findings(&s, "");
}

static void a_filter_that_is_narrower_keeps_people_out(void **state) {
        Scene s;

        configured(&s, "127.0.0.0/8 100.64.0.0/10 fd7a:115c:a1e0::/48", "[::]:1");
        unit(&s, "127.0.0.0/8 100.64.0.0/11", ANY, "[::]:1");
        assert_findings(&s, "The kernel drops who comes from 100.64.0.0/10, fd7a:115c:a1e0::/48, "
                            "which allow has" RELOAD "\n");
        configured(&s, "10.0.0.0/8 192.0.2.0/24", "[::]:1");
        unit(&s, "", "10.1.0.0/16", "[::]:1");
        assert_findings(&s, "The kernel drops who comes from 10.0.0.0/8, which allow has" RELOAD
                            "\nThe kernel lets through more than IPAddressAllow= says, which allow "
                            "does not have" RELOAD "\n");
}

static void a_filter_that_is_wider_is_found_too(void **state) {
        Scene s;

        configured(&s, "10.0.0.0/8", "[::]:1");
        unit(&s, "10.0.0.0/7 192.0.2.1/32", ANY, "[::]:1");
        assert_findings(&s, "The kernel lets through 10.0.0.0/7, 192.0.2.1/32, which allow does "
                            "not have" RELOAD "\n");
        configured(&s, "10.0.0.0/8", "[::]:1");
        unit(&s, "10.0.0.0/8", "0.0.0.0/0", "[::]:1");
        assert_findings(&s, "The kernel lets through more than IPAddressAllow= says, which allow "
                            "does not have" RELOAD "\n");
}

static void families_are_two_worlds(void **state) {
        Scene s;

        configured(&s, "::/0", "[::]:1");
        unit(&s, "0.0.0.0/0", ANY, "[::]:1");
        assert_findings(&s,
                        "The kernel drops who comes from ::/0, which allow has" RELOAD "\n"
                        "The kernel lets through 0.0.0.0/0, which allow does not have" RELOAD "\n");
}

static void sockets_elsewhere_are_found(void **state) {
        Scene s;

        configured(&s, ANY, "127.0.0.1:7 [::1]:7");
        unit(&s, ANY, ANY, "[::]:50051");
        assert_findings(&s, "chatroom.socket listens on [::]:50051 and not on 127.0.0.1:7, "
                            "[::1]:7, as listen has it" RESTART "\n");
        configured(&s, ANY, "127.0.0.1:7");
        unit(&s, ANY, ANY, "127.0.0.1:7 [::1]:7");
        assert_findings(&s, "chatroom.socket listens on 127.0.0.1:7, [::1]:7 and not on "
                            "127.0.0.1:7, as listen has it" RESTART "\n");
        configured(&s, ANY, "127.0.0.1:7");
        s.answer.listening = split(&s, "[::]:50051", &s.answer.n_listening);
        unit(&s, ANY, ANY, "127.0.0.1:7");
        assert_findings(&s, "The daemon listens on [::]:50051 and not on 127.0.0.1:7, as listen "
                            "has it" RESTART "\n");
}

static void without_ipv6_every_address_is_every_address_of_ipv4(void **state) {
        Scene s;

        configured(&s, ANY, "[::]:7");
        unit(&s, ANY, ANY, "0.0.0.0:7");
        assert_findings(&s, "");
        unit(&s, ANY, ANY, "0.0.0.0:8");
        assert_findings(&s, "chatroom.socket listens on 0.0.0.0:8 and not on [::]:7, as listen has "
                            "it" RESTART "\n");
        configured(&s, ANY, "0.0.0.0:7");
        unit(&s, ANY, ANY, "[::]:7");
        assert_findings(&s, "chatroom.socket listens on [::]:7 and not on 0.0.0.0:7, as listen has "
                            "it" RESTART "\n");
}

static void changed_unit_files_are_found_once(void **state) {
        Scene s;

        configured(&s, "10.0.0.0/8", "[::]:1");
        unit(&s, "10.0.0.0/8", ANY, "[::]:1");
        s.unit.outdated = true;
        assert_findings(&s, "systemd has not read what has changed in the files of "
                            "chatroom.socket" RELOAD "\n");
        s.unit.n_allow = 0;
        assert_findings(&s,
                        "The kernel drops who comes from 10.0.0.0/8, which allow has" RELOAD "\n");
}

static void whatever_else_the_unit_is_made_of_is_named_when_it_may_matter(void **state) {
        char *own[] = {(char *) "/run/systemd/generator/chatroom.socket.d/50-chatroom-ini.conf",
                       NULL};
        char *others[] = {own[0], (char *) "/etc/systemd/system/chatroom.socket.d/override.conf",
                          NULL};
        Scene s;

        configured(&s, ANY, "[::]:1");
        unit(&s, ANY, ANY, "[::]:1");
        s.unit.drop_ins = others;
        assert_findings(&s, "");
        s.unit.n_allow = 1;
        assert_findings(&s, "The kernel drops who comes from ::/0, which allow has" RELOAD "\n"
                            "Of that, something may come from /etc/systemd/system/"
                            "chatroom.socket.d/override.conf; to see what: systemctl cat "
                            "chatroom.socket\n");
        s.unit.drop_ins = own;
        assert_findings(&s, "The kernel drops who comes from ::/0, which allow has" RELOAD "\n");
}

static void what_the_daemon_says_comes_first(void **state) {
        char *unread[] = {(char *) "allow", (char *) "[tokens]"}, *notes[] = {(char *) "A note"};
        Scene s;

        configured(&s, "10.0.0.0/8", "[::]:1");
        unit(&s, "", ANY, "[::]:1");
        s.answer.unread = unread;
        s.answer.n_unread = 2;
        s.answer.notes = notes;
        s.answer.n_notes = 1;
        s.answer.trouble = (char *) "Trouble.";
        assert_findings(&s,
                        "The daemon has not read what has changed in the configuration "
                        "(allow, [tokens]): chatctl reload\nA note\nTrouble.\n"
                        "The kernel drops who comes from 10.0.0.0/8, which allow has" RELOAD "\n");
        configured(&s, "10.0.0.0/8", "[::]:1");
        s.answer.error = (char *) "x.ini:2: what is this?";
        assert_findings(&s, "The configuration is wrong: x.ini:2: what is this?; once that is "
                            "mended: chatctl reload\n");
}

static void what_is_no_network_is_no_answer(void **state) {
        const char *texts[] = {"",
                               "10.0.0.0",
                               "10.0.0.0/",
                               "10.0.0.0/33",
                               "10.0.0/8",
                               "::/129",
                               "x/8",
                               "10.0.0.0/8x",
                               "10.0.0.0/-1",
                               "::/ 1",
                               "::/99999999999999999999"};
        _cleanup_(findings_done) Findings f;
        Prefix prefix;
        Scene s;

        for (size_t i = 0; i < ELEMENTS(texts); i++)
                assert_int_equal(prefix_parse(&prefix, texts[i]), PREFIX_E_SYNTAX);
        configured(&s, "nonsense", "[::]:1");
        unit(&s, "", "", "[::]:1");
        assert_int_equal(findings_collect(&f, &s.answer, &s.unit), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(when_all_agree_nothing_is_found),
                cmocka_unit_test(systemd_leaves_out_what_a_wider_network_covers),
                cmocka_unit_test(a_filter_that_is_narrower_keeps_people_out),
                cmocka_unit_test(a_filter_that_is_wider_is_found_too),
                cmocka_unit_test(families_are_two_worlds),
                cmocka_unit_test(sockets_elsewhere_are_found),
                cmocka_unit_test(without_ipv6_every_address_is_every_address_of_ipv4),
                cmocka_unit_test(changed_unit_files_are_found_once),
                cmocka_unit_test(whatever_else_the_unit_is_made_of_is_named_when_it_may_matter),
                cmocka_unit_test(what_the_daemon_says_comes_first),
                cmocka_unit_test(what_is_no_network_is_no_answer),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
