/* SPDX-License-Identifier: MIT */
/* Descriptors, what is found in them, and how a question about them is answered. */
#include "service/reflection.h"

#include <string.h>

#include "proto/descriptor_set.h"
#include "tests/unit/test.h"
#include "wire-reflection.pb-c.h"

#define FILES_MAX 16
#define ANSWER(name) REFLECTION__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name
#define ASK(name) REFLECTION__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name

static ProtobufCBinaryData text(const char *s) {
        return (ProtobufCBinaryData){strlen(s), (uint8_t *) s};
}

static Descriptors *served(void) {
        Descriptors *d = NULL;

        assert_int_equal(descriptors_new(&d, descriptor_set, descriptor_set_size), 0);
        return d;
}

/* The name of the first file that was found; "": none was. */
static const char *first_name(const ProtobufCBinaryData *found, size_t n) {
        static char name[128];
        Descriptor__File *f;

        name[0] = '\0';
        if (n == 0)
                return name;
        f = descriptor__file__unpack(NULL, found[0].len, found[0].data);
        assert_non_null(f);
        snprintf(name, sizeof(name), "%.*s", (int) f->name.len, (const char *) f->name.data);
        descriptor__file__free_unpacked(f, NULL);
        return name;
}

static void assert_defined_in(const Descriptors *d, const char *symbol, const char *file) {
        ProtobufCBinaryData found[FILES_MAX];

        assert_true(descriptors_count(d) <= FILES_MAX);
        assert_string_equal(first_name(found, descriptors_by_symbol(d, text(symbol), found)), file);
}

static void the_services_are_those_on_tcp(void **state) {
        static const char *const expected[] = {
                "chat.Chat", "chatroom.v1.ChatroomService", "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"};
        _cleanup_(descriptors_freep) Descriptors *d = served();
        size_t n;
        const char *const *names = descriptors_services(d, &n);

        assert_int_equal(n, ELEMENTS(expected));
        for (size_t i = 0; i < n; i++)
                assert_string_equal(names[i], expected[i]);
        assert_defined_in(d, "chatroom.v1.AdminService", "");
}

static void files_are_found_by_name(void **state) {
        static const char *const none[] = {"", "chat", "chat.prot", "chat.protoo", "room.proto"};
        _cleanup_(descriptors_freep) Descriptors *d = served();
        ProtobufCBinaryData found[FILES_MAX];

        assert_int_equal(descriptors_by_name(d, text("chat.proto"), found), 1);
        assert_string_equal(first_name(found, 1), "chat.proto");
        for (size_t i = 0; i < ELEMENTS(none); i++)
                assert_int_equal(descriptors_by_name(d, text(none[i]), found), 0);
}

static void whatever_has_a_full_name_is_found(void **state) {
        static const struct {
                const char *symbol, *file;
        } table[] = {
                {"chat.Chat", "chat.proto"},
                {"chat.Chat.Join", "chat.proto"},
                {"chat.Message", "chat.proto"},
                {"chat.Message.text", "chat.proto"},
                {"chatroom.v1.ChatroomService.Send", "chatroom/v1/chatroom.proto"},
                {"chatroom.v1.ConnectRequest.event", "chatroom/v1/chatroom.proto"},
                {"chatroom.v1.Message", "chatroom/v1/chatroom.proto"},
                {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
                {"grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"},
                {"grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"},
                {"grpc.reflection.v1alpha.ErrorResponse",
                 "grpc/reflection/v1alpha/reflection.proto"},
        };
        _cleanup_(descriptors_freep) Descriptors *d = served();

        for (size_t i = 0; i < ELEMENTS(table); i++)
                assert_defined_in(d, table[i].symbol, table[i].file);
}

static void nothing_else_is(void **state) {
        static const char *const table[] = {"",
                                            ".",
                                            "chat",
                                            "chat.",
                                            "Message",
                                            ".chat.Message",
                                            "chat.Message.",
                                            "chat.Messag",
                                            "chat.Messages",
                                            "chat.Message.text.x",
                                            "chat.Message.Join",
                                            "chat.Chat.Join.x",
                                            "chatXMessage",
                                            "chat..Message",
                                            "Chat.Chat",
                                            "grpc.health.v1.SERVING",
                                            "grpc.health.v1.HealthCheckResponse.ServingStatus.X"};
        _cleanup_(descriptors_freep) Descriptors *d = served();

        for (size_t i = 0; i < ELEMENTS(table); i++)
                assert_defined_in(d, table[i], "");
}

static ProtobufCBinaryData pack_file(const char *name, const char *const *imports, size_t n,
                                     const char *enumeration) {
        Descriptor__File f = DESCRIPTOR__FILE__INIT;
        Descriptor__Group group = DESCRIPTOR__GROUP__INIT, *groups = &group;
        ProtobufCBinaryData dependencies[4];
        uint8_t *bytes;

        for (size_t i = 0; i < n; i++)
                dependencies[i] = text(imports[i]);
        f.name = text(name);
        f.n_dependency = n;
        f.dependency = dependencies;
        group.name = text(enumeration);
        f.n_enum_type = 1;
        f.enum_type = &groups;
        bytes = malloc(descriptor__file__get_packed_size(&f));
        assert_non_null(bytes);
        return (ProtobufCBinaryData){descriptor__file__pack(&f, bytes), bytes};
}

/* Without a package. a imports b and c, which both import d; d imports a, and what is not there. */
static Descriptors *importing(void) {
        ProtobufCBinaryData files[] = {
                pack_file("a", (const char *const[]){"b", "c"}, 2, "A"),
                pack_file("b", (const char *const[]){"d"}, 1, "B"),
                pack_file("c", (const char *const[]){"d"}, 1, "C"),
                pack_file("d", (const char *const[]){"a", "missing"}, 2, "D"),
        };
        Descriptor__Files set = DESCRIPTOR__FILES__INIT;
        Descriptors *d = NULL;
        uint8_t *bytes;

        set.n_file = ELEMENTS(files);
        set.file = files;
        bytes = malloc(descriptor__files__get_packed_size(&set));
        assert_non_null(bytes);
        assert_int_equal(descriptors_new(&d, bytes, descriptor__files__pack(&set, bytes)), 0);
        for (size_t i = 0; i < ELEMENTS(files); i++)
                free(files[i].data);
        free(bytes);
        return d;
}

static void a_file_comes_with_all_that_it_imports_each_once(void **state) {
        _cleanup_(descriptors_freep) Descriptors *d = importing();
        ProtobufCBinaryData found[4];
        char order[5] = "";

        assert_int_equal(descriptors_by_symbol(d, text("A"), found), 4);
        for (size_t i = 0; i < 4; i++)
                strcat(order, first_name(&found[i], 1));
        assert_string_equal(order, "abdc");
        assert_int_equal(descriptors_by_name(d, text("b"), found), 4);
        assert_string_equal(first_name(found, 1), "b");
}

static void what_is_no_descriptor_set_is_refused(void **state) {
        static const uint8_t cut[] = {0x0a, 5, 'x'}, no_file[] = {0x0a, 1, 0xff};
        Descriptors *d = NULL;

        assert_int_equal(descriptors_new(&d, cut, sizeof(cut)), -EBADMSG);
        assert_int_equal(descriptors_new(&d, no_file, sizeof(no_file)), -EBADMSG);
        assert_null(d);
}

/* ---- answers */

typedef Reflection__ServerReflectionRequest Request;
typedef Reflection__ServerReflectionResponse Response;

static Request question(void) {
        Request request;

        reflection__server_reflection_request__init(&request);
        return request;
}

static Response *ask(const Request *request) {
        _cleanup_(descriptors_freep) Descriptors *d = served();
        uint8_t bytes[256];
        RpcPayload *answer = NULL;
        Response *response;
        size_t n;

        assert_true(protobuf_c_message_get_packed_size(&request->base) <= sizeof(bytes));
        n = protobuf_c_message_pack(&request->base, bytes);
        assert_int_equal(reflection_answer(&answer, d, bytes, n), 0);
        n = rpc_payload_size(answer);
        response =
                reflection__server_reflection_response__unpack(NULL, n, rpc_payload_bytes(answer));
        assert_non_null(response);
        rpc_payload_free(answer);
        return response;
}

static void assert_error(const Request *request, RpcStatus code) {
        Response *response = ask(request);

        assert_int_equal(response->message_response_case, ANSWER(ERROR_RESPONSE));
        assert_int_equal(response->error_response->error_code, code);
        assert_true(response->error_response->error_message.len > 0);
        reflection__server_reflection_response__free_unpacked(response, NULL);
}

static void an_answer_repeats_the_question(void **state) {
        Request request = question();
        Response *response;

        request.host = text("host");
        request.message_request_case = ASK(LIST_SERVICES);
        request.list_services = text("*");
        response = ask(&request);
        assert_int_equal(response->message_response_case, ANSWER(LIST_SERVICES_RESPONSE));
        assert_int_equal(response->list_services_response->n_service, 5);
        assert_memory_equal(response->valid_host.data, "host", 4);
        assert_memory_equal(response->original_request->list_services.data, "*", 1);
        reflection__server_reflection_response__free_unpacked(response, NULL);
}

static void a_symbol_is_answered_with_its_file(void **state) {
        Request request = question();
        Response *response;

        request.message_request_case = ASK(FILE_CONTAINING_SYMBOL);
        request.file_containing_symbol = text("chat.Chat");
        response = ask(&request);
        assert_int_equal(response->message_response_case, ANSWER(FILE_DESCRIPTOR_RESPONSE));
        assert_string_equal(first_name(response->file_descriptor_response->file_descriptor_proto,
                                       response->file_descriptor_response->n_file_descriptor_proto),
                            "chat.proto");
        reflection__server_reflection_response__free_unpacked(response, NULL);
        request.file_containing_symbol = text("chat.Nothing");
        assert_error(&request, RPC_NOT_FOUND);
        request.message_request_case = ASK(FILE_BY_FILENAME);
        request.file_by_filename = text("chatroom/v1/admin.proto");
        assert_error(&request, RPC_NOT_FOUND);
}

static void there_are_no_extensions(void **state) {
        Reflection__ExtensionRequest extension = REFLECTION__EXTENSION_REQUEST__INIT;
        Request request = question();

        request.message_request_case = ASK(FILE_CONTAINING_EXTENSION);
        request.file_containing_extension = &extension;
        extension.containing_type = text("chat.Message");
        extension.extension_number = 1;
        assert_error(&request, RPC_NOT_FOUND);
        request.message_request_case = ASK(ALL_EXTENSION_NUMBERS_OF_TYPE);
        request.all_extension_numbers_of_type = text("chat.Message");
        assert_error(&request, RPC_NOT_FOUND);
}

static void what_is_no_question_is_refused(void **state) {
        _cleanup_(descriptors_freep) Descriptors *d = served();
        Request request = question();
        RpcPayload *answer = NULL;

        assert_error(&request, RPC_UNIMPLEMENTED);
        assert_int_equal(reflection_answer(&answer, d, (const uint8_t *) "\x1a\x05x", 3),
                         REFLECTION_E_SYNTAX);
        assert_null(answer);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_services_are_those_on_tcp),
                cmocka_unit_test(files_are_found_by_name),
                cmocka_unit_test(whatever_has_a_full_name_is_found),
                cmocka_unit_test(nothing_else_is),
                cmocka_unit_test(a_file_comes_with_all_that_it_imports_each_once),
                cmocka_unit_test(what_is_no_descriptor_set_is_refused),
                cmocka_unit_test(an_answer_repeats_the_question),
                cmocka_unit_test(a_symbol_is_answered_with_its_file),
                cmocka_unit_test(there_are_no_extensions),
                cmocka_unit_test(what_is_no_question_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
