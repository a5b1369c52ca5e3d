/* SPDX-License-Identifier: MIT */
/* What a process has cost so far. Process 0 costs nothing: it stands for "not asked". */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC. */
uint64_t meter_now_nsec(void);
/* CPU time, user and system, of all threads that the process has or had. */
int meter_cpu_nsec(uint64_t *ret, pid_t pid);
/* Resident memory. */
int meter_rss_kib(uint64_t *ret, pid_t pid);
