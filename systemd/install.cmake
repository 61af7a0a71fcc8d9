# What cmake --install does besides the program: the units, the sample configuration, and what
# makes the service's user and directory. Paths follow the prefix given at installation, so that
# one build serves /usr/local and the Debian package. A configuration that is there is kept.
set(HERE "${CMAKE_CURRENT_LIST_DIR}")
set(PLACE "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
if(CMAKE_INSTALL_PREFIX MATCHES "^/usr(/local)?/?$")
  set(CONFIG /etc/penstock) # where the program looks
else()
  set(CONFIG "${CMAKE_INSTALL_PREFIX}/etc/penstock")
endif()

foreach(UNIT penstock.service penstock.socket)
  file(READ "${HERE}/${UNIT}" TEXT)
  string(REPLACE "/usr/bin/penstock" "${CMAKE_INSTALL_PREFIX}/bin/penstock" TEXT "${TEXT}")
  message(STATUS "Installing: ${PLACE}/lib/systemd/system/${UNIT}")
  file(WRITE "${PLACE}/lib/systemd/system/${UNIT}" "${TEXT}")
  file(CHMOD "${PLACE}/lib/systemd/system/${UNIT}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ
                                                                WORLD_READ)
endforeach()
foreach(KIND sysusers tmpfiles)
  message(STATUS "Installing: ${PLACE}/lib/${KIND}.d/penstock.conf")
  file(MAKE_DIRECTORY "${PLACE}/lib/${KIND}.d")
  configure_file("${HERE}/${KIND}.conf" "${PLACE}/lib/${KIND}.d/penstock.conf" COPYONLY)
endforeach()
if(EXISTS "$ENV{DESTDIR}${CONFIG}/penstock.yaml")
  message(STATUS "Kept: $ENV{DESTDIR}${CONFIG}/penstock.yaml")
else() # file(INSTALL) puts DESTDIR before it
  file(INSTALL "${HERE}/penstock.yaml" DESTINATION "${CONFIG}")
endif()
# A package's own scripts do it; see debian/postinst.
message(STATUS "Then, as root: systemd-sysusers penstock.conf && "
               "systemd-tmpfiles --create penstock.conf && systemctl daemon-reload")
