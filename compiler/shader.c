#include <gyre/compiler.h>
#include <pthread.h>
#include <shaderc/shaderc.h>
#include <stdlib.h>
#include <string.h>

#include "include.h"
#include "report.h"
#include "validator.h"

/* A workgroup may be as large as the device allows, which the engine checks at launch; GLSL has
 * no infinity. */
#define LOCAL_SIZE_MAX 65535

/* One call of compile. */
struct session {
    struct includes includes;
    char *refusal;    /* of the include that is under way */
    bool refused_now; /* shaderc is about to ask for it as <this> too */
};

/* Stays for the life of the process: the first compilation builds glslang's tables (some 0.1 s),
 * which go with the last compiler. shaderc promises that several threads may use one. */
static shaderc_compiler_t shared_compiler;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

static void open_shared(void)
{
    shared_compiler = shaderc_compiler_initialize();
}

static shaderc_include_result no_memory_result = {
    .source_name = "", .content = "out of memory", .content_length = sizeof "out of memory" - 1};

static const struct text *find(struct session *session, const char *name, const char *from,
                               bool quoted, size_t depth)
{
    /* What is not there in quotes is asked for once more as if in angle brackets. */
    if (session->refused_now && !quoted) {
        session->refused_now = false;
        return NULL;
    }
    free(session->refusal);
    const struct text *text =
        includes_find(&session->includes, name, from, quoted, depth, &session->refusal);
    session->refused_now = text == NULL && quoted;
    return text;
}

static shaderc_include_result *resolve(void *user, const char *name, int type, const char *from,
                                       size_t depth)
{
    struct session *session = user;
    const struct text *text =
        find(session, name, from, type == shaderc_include_type_relative, depth);
    shaderc_include_result *result = calloc(1, sizeof *result);
    if (result == NULL || (text == NULL && session->refusal == NULL)) {
        session->includes.no_memory = true;
        free(result);
        return &no_memory_result;
    }
    /* An empty name is shaderc's sign that the content says what went wrong. */
    result->source_name = text != NULL ? text->name : "";
    result->source_name_length = strlen(result->source_name);
    result->content = text != NULL ? text->bytes : session->refusal;
    result->content_length = text != NULL ? text->size : strlen(session->refusal);
    return result;
}

static void release_result(void *user, shaderc_include_result *result)
{
    (void)user;
    if (result != &no_memory_result) {
        free(result);
    }
}

static shaderc_compile_options_t open_options(struct session *session, bool no_memory_model)
{
    shaderc_compile_options_t options = shaderc_compile_options_initialize();
    if (options == NULL) {
        return NULL;
    }
    shaderc_compile_options_set_source_language(options, shaderc_source_language_glsl);
    shaderc_compile_options_set_target_env(options, shaderc_target_env_vulkan,
                                           shaderc_env_version_vulkan_1_2);
    shaderc_compile_options_set_target_spirv(options, shaderc_spirv_version_1_5);
    /* Not optimised: that would strip the names, by which `gyre run` knows the members. Drivers
     * do it anyway. */
    shaderc_compile_options_set_optimization_level(options, shaderc_optimization_level_zero);
    shaderc_compile_options_set_limit(options, shaderc_limit_max_compute_work_group_size_x,
                                      LOCAL_SIZE_MAX);
    shaderc_compile_options_set_limit(options, shaderc_limit_max_compute_work_group_size_y,
                                      LOCAL_SIZE_MAX);
    shaderc_compile_options_set_limit(options, shaderc_limit_max_compute_work_group_size_z,
                                      LOCAL_SIZE_MAX);
    if (no_memory_model) {
        static const char name[] = "GYRE_NO_MEMORY_MODEL";
        shaderc_compile_options_add_macro_definition(options, name, sizeof name - 1, "1", 1);
    }
    shaderc_compile_options_set_include_callbacks(options, resolve, release_result, session);
    return options;
}

static gyre_result take_words(const shaderc_compilation_result_t result, uint32_t **words,
                              size_t *size)
{
    size_t length = shaderc_result_get_length(result);
    uint32_t *copy = malloc(length);
    if (copy == NULL) {
        return GYRE_ERROR_NO_MEMORY;
    }
    memcpy(copy, shaderc_result_get_bytes(result), length);
    *words = copy;
    *size = length;
    return GYRE_OK;
}

/* shaderc's verdict and what it said. */
static gyre_result judge(const struct session *session, const shaderc_compilation_result_t result,
                         const struct report *report)
{
    const char *name = includes_source(&session->includes)->name;
    if (session->includes.over_limit != NULL) {
        report_line(report, GYRE_LOG_ERROR, "%s", session->includes.over_limit);
        return GYRE_ERROR_COMPILE;
    }
    unsigned errors =
        report_messages(report, shaderc_result_get_error_message(result), &session->includes);
    shaderc_compilation_status status = shaderc_result_get_compilation_status(result);
    if (status == shaderc_compilation_status_success) {
        return GYRE_OK;
    }
    if (session->includes.no_memory) {
        return GYRE_ERROR_NO_MEMORY;
    }
    if (errors == 0) {
        report_line(report, GYRE_LOG_ERROR, "%s: the compiler gave up without a reason (status %d)",
                    name, (int)status);
    }
    return GYRE_ERROR_COMPILE;
}

static gyre_result compile_source(struct session *session, const gyre_compile_request *request,
                                  const struct report *report, uint32_t **words, size_t *size)
{
    const struct text *source = includes_source(&session->includes);
    unsigned line = 1;
    const char *defect = text_defect(source->bytes, source->size, &line);
    if (defect == NULL) {
        defect = text_version_defect(source->bytes, source->size, &line);
    }
    if (defect != NULL) {
        report_line(report, GYRE_LOG_ERROR, "%s:%u: %s", source->name, line, defect);
        return GYRE_ERROR_COMPILE;
    }
    pthread_once(&shared_once, open_shared);
    shaderc_compile_options_t options = open_options(session, request->no_memory_model);
    shaderc_compilation_result_t result = NULL;
    if (shared_compiler != NULL && options != NULL) {
        result = shaderc_compile_into_spv(shared_compiler, source->bytes, source->size,
                                          shaderc_compute_shader, source->name, "main", options);
    }
    gyre_result verdict = result != NULL ? judge(session, result, report) : GYRE_ERROR_NO_MEMORY;
    if (verdict == GYRE_OK) {
        verdict = take_words(result, words, size);
    }
    if (verdict == GYRE_ERROR_NO_MEMORY) {
        report_line(report, GYRE_LOG_ERROR, "%s: out of memory", source->name);
    }
    shaderc_result_release(result);
    shaderc_compile_options_release(options);
    return verdict;
}

static bool is_valid(const gyre_compile_request *request)
{
    if (request == NULL || (request->file == NULL && request->source == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < request->include_directory_count; ++i) {
        if (request->include_directories == NULL || request->include_directories[i] == NULL) {
            return false;
        }
    }
    return true;
}

static gyre_result compile(const gyre_compile_request *request, uint32_t **words, size_t *size)
{
    if (!is_valid(request) || words == NULL || size == NULL) {
        return GYRE_ERROR_INVALID;
    }
    const struct report report = {request->log, request->log_user};
    struct session session = {0};
    uint32_t *made = NULL;
    size_t made_size = 0;
    const char *why = NULL;
    gyre_result result = includes_open(&session.includes, request, &why);
    if (result != GYRE_OK) {
        report_line(&report, GYRE_LOG_ERROR, "cannot read %s: %s",
                    request->file != NULL ? request->file : "glsl", why);
    } else {
        result = compile_source(&session, request, &report, &made, &made_size);
    }
    if (result == GYRE_OK) {
        result = validator_run(made, made_size, includes_source(&session.includes)->name, &report);
        result = result == GYRE_ERROR_SPIRV ? GYRE_ERROR_COMPILE : result;
    }
    includes_close(&session.includes);
    free(session.refusal);
    if (result != GYRE_OK) {
        free(made);
        return result;
    }
    *words = made;
    *size = made_size;
    return GYRE_OK;
}

static void release(uint32_t *words)
{
    free(words);
}

static gyre_result validate(const uint32_t *words, size_t size, gyre_log_callback log,
                            void *log_user)
{
    const struct report report = {log, log_user};
    return validator_run(words, size, "SPIR-V", &report);
}

const gyre_compiler *gyre_compiler_shaderc(void)
{
    static const gyre_compiler compiler = {
        .version = 1, .compile = compile, .release = release, .validate = validate};
    return &compiler;
}
