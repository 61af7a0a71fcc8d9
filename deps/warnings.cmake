# What our own code is compiled with. Libraries come in as SYSTEM and are not held to it.
add_library(penstock_warnings INTERFACE)
target_compile_options(
  penstock_warnings
  INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wimplicit-fallthrough
            -Wformat=2 -Wvla -Werror)
target_compile_definitions(penstock_warnings INTERFACE _GNU_SOURCE)

if(PENSTOCK_SANITIZE)
  add_compile_options(-fsanitize=${PENSTOCK_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PENSTOCK_SANITIZE})
endif()

# The fuzzers want every folder instrumented for coverage.
if(PENSTOCK_TEST_SET STREQUAL "fuzz")
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
