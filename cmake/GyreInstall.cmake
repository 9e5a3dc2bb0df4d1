# Headers, libraries, shaders, the command; a CMake package and pkg-config files that find them.
include(CMakePackageConfigHelpers)

set(shaders_destination ${CMAKE_INSTALL_DATADIR}/gyre/shaders)
set(package_destination ${CMAKE_INSTALL_LIBDIR}/cmake/gyre)
get_property(libraries GLOBAL PROPERTY GYRE_LIBRARIES)

install(DIRECTORY include/gyre DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY shaders/gyre DESTINATION ${shaders_destination})
install(TARGETS ${libraries} EXPORT gyre)
install(EXPORT gyre NAMESPACE gyre:: FILE gyre-targets.cmake DESTINATION ${package_destination})
if(GYRE_BUILD_TOOLS)
    install(TARGETS gyre-tool)
endif()

configure_package_config_file(cmake/gyre-config.cmake.in gyre-config.cmake
    INSTALL_DESTINATION ${package_destination} PATH_VARS shaders_destination)
write_basic_package_version_file(gyre-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gyre-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/gyre-config-version.cmake cmake/GyreShaders.cmake
        DESTINATION ${package_destination})

# Relative to the .pc file, so that an unpacked or staged tree works from where it lies.
file(RELATIVE_PATH up /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REGEX REPLACE "/$" "" up "${up}")
configure_file(cmake/gyre.pc.in gyre.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gyre.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(GYRE_BUILD_COMPILER)
    configure_file(cmake/gyre-compiler.pc.in gyre-compiler.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gyre-compiler.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
