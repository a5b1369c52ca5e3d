/* SPDX-License-Identifier: MIT */
/* What history.c and history-read.c share; nobody else may include it. */
#pragma once

#include <systemd/sd-id128.h>

#include "service/history.h"
#include "service/service.h"
#include "service/store.h"

typedef struct Group {
        StoreRequest request;
        History *history;
        LogMessage *messages;
        Stream **senders; /* NULL where one has gone */
        uint64_t *sessions;
        size_t n, capacity;
        int result;
} Group;

struct Fetch {
        StoreRequest request;
        Fetch *next; /* that waits */
        History *history;
        Stream *stream; /* NULL: it has gone */
        uint64_t after, up_to;
        RpcPayload *payload;
        int result;
};

typedef struct Trim {
        StoreRequest request;
        History *history;
        int64_t now_ms;
        uint64_t first;
        bool more, running;
} Trim;

typedef struct Configure {
        StoreRequest request;
        History *history;
        LogOptions options;
} Configure;

struct History {
        Service *service;
        Store *store;
        Log *log;
        sd_event_source *completions;
        Group groups[2];
        Group *filling, *writing;      /* writing NULL: nothing is being written */
        Fetch *waiting, **waiting_end; /* for their turn to be read */
        unsigned n_reading;
        Bucket complaints; /* about what cannot be read */
        Trim trim;
        char epoch[LOG_EPOCH_CHARS + 1];
        uint64_t first;
        int last_result;
        char boot_id[SD_ID128_STRING_MAX];
};

LogOptions history_log_options(const History *h);
void history_init_trim(History *h);
