/* SPDX-License-Identifier: MIT */
/* The memory of this process. */
#pragma once

#include <stdint.h>

/* Bytes in use, as the kernel counts them; 0: it does not say. */
uint64_t memory_resident(void);
/* Gives what was freed back to the kernel. Takes a moment. */
void memory_trim(void);
