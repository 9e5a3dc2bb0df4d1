# Makes the modules that the reader of SPIR-V is tested and fuzzed with:
#   cmake -DOUT=folder -DSHADERS=folder-of-gyre/wire.h -P compile.cmake
# A .comp gives one module per way of compiling it: NAME.spv, NAME.optimised.spv, NAME.stripped.spv,
# NAME.vulkan1.3.spv and, but for kernel_*.comp, NAME.vulkan1.0.spv. Others give NAME.spv.
cmake_minimum_required(VERSION 3.25)

foreach(tool glslc spirv-as spirv-opt)
    find_program(${tool} ${tool} REQUIRED)
endforeach()
file(MAKE_DIRECTORY ${OUT})

function(make)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(GLOB sources ${CMAKE_CURRENT_LIST_DIR}/*.comp ${CMAKE_CURRENT_LIST_DIR}/*.frag)
foreach(source ${sources})
    cmake_path(GET source STEM name)
    set(compile ${glslc} -I ${SHADERS} ${source} -o)
    make(${compile} ${OUT}/${name}.spv --target-env=vulkan1.2)
    if(source MATCHES "comp$")
        make(${compile} ${OUT}/${name}.vulkan1.3.spv --target-env=vulkan1.3)
        make(${compile} ${OUT}/${name}.optimised.spv --target-env=vulkan1.2 -O)
        make(${spirv-opt} --strip-debug ${OUT}/${name}.spv -o ${OUT}/${name}.stripped.spv)
    endif()
    if(source MATCHES "comp$" AND NOT name MATCHES "^kernel_")
        make(${compile} ${OUT}/${name}.vulkan1.0.spv --target-env=vulkan1.0)
    endif()
endforeach()

file(GLOB sources ${CMAKE_CURRENT_LIST_DIR}/*.spvasm)
foreach(source ${sources})
    cmake_path(GET source STEM name)
    make(${spirv-as} --preserve-numeric-ids --target-env spv1.3 ${source} -o ${OUT}/${name}.spv)
endforeach()
