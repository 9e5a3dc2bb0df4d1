# Warnings and language defines of our own sources: linked privately, never seen by a consumer.
add_library(gyre-warnings INTERFACE)
target_compile_options(gyre-warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<BOOL:${GYRE_WERROR}>:-Werror>)
target_compile_definitions(gyre-warnings INTERFACE _GNU_SOURCE)
