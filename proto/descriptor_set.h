/* SPDX-License-Identifier: MIT */
/* What the daemon serves on TCP, as protoc describes it: an encoded FileDescriptorSet. */
#pragma once

#include <stddef.h>
#include <stdint.h>

extern const uint8_t descriptor_set[];
extern const size_t descriptor_set_size;
