/* SPDX-License-Identifier: MIT */
/* Tokens for tests, by the text of their secret. name NULL: a `*` token. */
#pragma once

#include "service/token.h"

Token token_of(const char *secret, const char *name);
TokenChange change_of(TokenChangeKind kind, const char *secret, const char *name);
const Token *find_secret(const TokenTable *t, const char *secret);
