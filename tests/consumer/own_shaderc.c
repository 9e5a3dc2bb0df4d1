/* A program that carries a shaderc of its own, as engines do, and links gyre-compiler: two of them,
 * side by side. */
#include <gyre/compiler.h>
#include <shaderc/shaderc.h>
#include <stdio.h>
#include <string.h>

static const char text[] = "#version 450\nlayout(local_size_x = 1) in;\nvoid main() {}\n";

static size_t compile_by_gyre(void)
{
    uint32_t *words = NULL;
    size_t size = 0;
    const gyre_compiler *compiler = gyre_compiler_shaderc();
    gyre_compile_request request = {.file = "text.comp", .source = text};
    if (compiler->compile(&request, &words, &size) != GYRE_OK) {
        return 0;
    }
    compiler->release(words);
    return size;
}

static size_t compile_by_ourselves(void)
{
    shaderc_compiler_t compiler = shaderc_compiler_initialize();
    shaderc_compilation_result_t result = shaderc_compile_into_spv(
        compiler, text, strlen(text), shaderc_compute_shader, "text.comp", "main", NULL);
    size_t size = shaderc_result_get_length(result);
    shaderc_result_release(result);
    shaderc_compiler_release(compiler);
    return size;
}

int main(void)
{
    size_t sizes[] = {compile_by_gyre(), compile_by_ourselves(), compile_by_gyre()};
    printf("%zu, %zu, %zu bytes\n", sizes[0], sizes[1], sizes[2]);
    return sizes[0] > 0 && sizes[1] > 0 && sizes[2] == sizes[0] ? 0 : 1;
}
