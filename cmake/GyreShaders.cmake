# gyre_add_shader(TARGET FILE.comp [FLAGS...]): compiles FILE.comp when TARGET is built.
#
# It makes two files in a folder of their own and puts that folder on TARGET's include path:
#   FILE.spv     the module, checked by spirv-val, for gyre_kernel_params.spirv read from a file
#   FILE.spv.h   the same words as comma-separated numbers, to stand inside an initialiser:
#                static const uint32_t code[] = {
#                #include "FILE.spv.h"
#                };
# `#include "gyre/kernel.glsl"` works. FLAGS go to glslc (-D..., -I...). Do not pass -O without -g: it
# strips the names that `gyre run` reads.

find_program(GYRE_GLSLC glslc)
find_program(GYRE_SPIRV_VAL spirv-val)

# In the source tree this file stands in cmake/, installed beside the package file, which sets the folder.
if(NOT DEFINED GYRE_SHADER_DIR)
    get_filename_component(GYRE_SHADER_DIR ${CMAKE_CURRENT_LIST_DIR}/../shaders ABSOLUTE)
endif()
set(GYRE_SHADER_DIR ${GYRE_SHADER_DIR} CACHE INTERNAL "Folder to search for gyre/kernel.glsl")

function(gyre_add_shader target file)
    if(NOT GYRE_GLSLC OR NOT GYRE_SPIRV_VAL)
        message(FATAL_ERROR "gyre_add_shader needs glslc and spirv-val (Debian: glslc, spirv-tools)")
    endif()
    get_filename_component(source ${file} ABSOLUTE)
    get_filename_component(name ${file} NAME_WLE)
    set(folder ${CMAKE_CURRENT_BINARY_DIR}/${target}-shaders)
    set(spv ${folder}/${name}.spv)
    file(MAKE_DIRECTORY ${folder})

    set(compile ${GYRE_GLSLC} --target-env=vulkan1.2 -fshader-stage=compute -I ${GYRE_SHADER_DIR} ${ARGN})
    add_custom_command(
        OUTPUT ${spv} ${spv}.h
        COMMAND ${compile} -MD -MF ${spv}.d -MT ${spv} -o ${spv} ${source}
        COMMAND ${GYRE_SPIRV_VAL} --target-env vulkan1.2 ${spv}
        COMMAND ${compile} -mfmt=num -o ${spv}.h ${source}
        DEPENDS ${source}
        DEPFILE ${spv}.d
        COMMENT "Compiling shader ${file}"
        VERBATIM)
    target_sources(${target} PRIVATE ${spv}.h)
    target_include_directories(${target} PRIVATE ${folder})
endfunction()
