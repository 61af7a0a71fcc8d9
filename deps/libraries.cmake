# Finds every third-party library, or says which Debian package is missing (deps/packages.txt).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(penstock_pkg NAME MODULE)
  pkg_check_modules(${NAME} REQUIRED IMPORTED_TARGET ${MODULE})
  add_library(dep_${NAME} INTERFACE)
  target_link_libraries(dep_${NAME} INTERFACE PkgConfig::${NAME})
endfunction()

penstock_pkg(uv libuv)
penstock_pkg(json json-c)
penstock_pkg(yaml yaml-0.1)
penstock_pkg(zlib zlib)

# mbedTLS has no pkg-config file before 3.x.
find_path(MBEDTLS_INCLUDE mbedtls/ssl.h REQUIRED)
find_library(MBEDTLS_LIB mbedtls REQUIRED)
find_library(MBEDX509_LIB mbedx509 REQUIRED)
find_library(MBEDCRYPTO_LIB mbedcrypto REQUIRED)
add_library(dep_mbedtls INTERFACE)
target_include_directories(dep_mbedtls SYSTEM INTERFACE ${MBEDTLS_INCLUDE})
target_link_libraries(dep_mbedtls INTERFACE ${MBEDTLS_LIB} ${MBEDX509_LIB} ${MBEDCRYPTO_LIB})

# llhttp: libllhttp-dev where it exists, else the C sources of node-llhttp (Debian 12). Only the
# latter can be compiled strict here; a packaged library of 9.x is strict by construction.
pkg_check_modules(llhttp QUIET IMPORTED_TARGET libllhttp)
add_library(dep_llhttp INTERFACE)
if(llhttp_FOUND)
  target_link_libraries(dep_llhttp INTERFACE PkgConfig::llhttp)
else()
  find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp REQUIRED)
  find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp REQUIRED)
  add_library(llhttp_strict STATIC ${LLHTTP_SOURCE}/api.c ${LLHTTP_SOURCE}/http.c
                                   ${LLHTTP_SOURCE}/llhttp.c)
  target_include_directories(llhttp_strict SYSTEM PUBLIC ${LLHTTP_INCLUDE})
  target_compile_definitions(llhttp_strict PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(llhttp_strict PRIVATE -w)
  target_link_libraries(dep_llhttp INTERFACE llhttp_strict)
endif()
