# cmake -DOUTPUT=header.h -DBASE=folder -DFILES=a;b -P embed.cmake
# Writes the texts of FILES into a C header as one table, each under its path relative to BASE.
# Bytes, not string literals: ISO C promises no literal longer than 4095 characters.
set(arrays "")
set(rows "")
set(n 0)
foreach(file IN LISTS FILES)
    file(RELATIVE_PATH name ${BASE} ${file})
    file(READ ${file} hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND arrays "static const char embedded_${n}[] = {\n${hex}0x00};\n\n")
    string(APPEND rows "    {\"${name}\", embedded_${n}, ${size}},\n")
    math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUTPUT}
"/* Generated from the shader texts: do not edit. Each text ends with a zero that size does not count. */
#include <stddef.h>

${arrays}static const struct embedded_file {
    const char *name;
    const char *text;
    size_t size;
} embedded_files[] = {
${rows}};
")
