/*
 * The engine's private volk. Its globals must never meet those of a program that has a volk of its
 * own: all our code is compiled with hidden visibility, so the shared library does not export them,
 * and the static library is one relocatable object in which hidden symbols were made local
 * (CMakeLists.txt).
 */
#include <volk.c>
