/* A connection of the sink: requests in, answers out, in order, each after its latency. */
#ifndef BENCH_SINK_CONNECTION_H
#define BENCH_SINK_CONNECTION_H

#include "sink_worker.h"

void sink_worker_slabs_init(struct sink_worker *w);
/* Takes over an accepted descriptor. */
void sink_connection_accept(struct sink_worker *w, int fd);
/* Drops every connection; they end in later turns. */
void sink_connections_close(struct sink_worker *w);
/* For sink_delay. */
void sink_connection_on_due(struct sink_wait *w);

#endif
