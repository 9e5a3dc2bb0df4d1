# gyre_merged_library(TARGET OBJECTS... [ARCHIVES FILES...]): a static library that is one relocatable object, in
# which only our public functions are global.
#
# An archive of plain objects would show volk's globals and our internals to the linker of an engine that has
# a volk of its own, and shaderc's to one that has its own shaderc. What the objects need of ARCHIVES goes into
# the object too.
set(GYRE_MERGE ${CMAKE_CURRENT_LIST_DIR}/merge.sh)

function(gyre_merged_library target)
    cmake_parse_arguments(PARSE_ARGV 1 merge "" "" ARCHIVES)
    if(NOT CMAKE_OBJCOPY OR NOT CMAKE_NM)
        message(FATAL_ERROR "GYRE_BUILD_STATIC needs nm and objcopy (binutils)")
    endif()
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${target}.o)
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${GYRE_MERGE} ${CMAKE_C_COMPILER} ${CMAKE_NM} ${CMAKE_OBJCOPY} ${object}
                ${merge_UNPARSED_ARGUMENTS} ${merge_ARCHIVES}
        DEPENDS ${GYRE_MERGE} ${merge_UNPARSED_ARGUMENTS} ${merge_ARCHIVES}
        COMMENT "Merging ${target} into one object"
        COMMAND_EXPAND_LISTS VERBATIM)
    add_library(${target} STATIC ${object})
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
endfunction()
