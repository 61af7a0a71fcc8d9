/* Socket options of TCP descriptors, set where libuv has no call for them. */
#ifndef NET_SOCKET_OPTIONS_H
#define NET_SOCKET_OPTIONS_H

/* TCP_NODELAY; 128 KB unsent in the kernel at most; keep-alive after 60 s idle, every 15 s, 4
 * times. What a listening socket has, the accepted ones inherit. Does nothing to other kinds of
 * socket. */
void socket_set_tcp_options(int fd);
/* A peer that acknowledges nothing for this long is gone (upstream connections). */
void socket_set_user_timeout(int fd, unsigned timeout_ms);

#endif
