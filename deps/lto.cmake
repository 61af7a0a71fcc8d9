# A Release build optimizes the program as a whole: calls between the folders are many and short. The
# objects are fat, so that tests and tools link the same libraries without it, in less time. With
# gcc only: clang makes no such objects.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(PENSTOCK_LTO_COMPILE $<$<CONFIG:Release>:-flto=auto> $<$<CONFIG:Release>:-ffat-lto-objects>)
  set(PENSTOCK_LTO_LINK $<$<CONFIG:Release>:-flto=auto>)
  set(PENSTOCK_NO_LTO_LINK $<$<CONFIG:Release>:-fno-lto>)
endif()
