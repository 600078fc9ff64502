/* The SHA-256 of a file (FIPS 180-4), by which the data beside a model are known to be its own (runtime/model/data.py). */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 64    /* bytes */
#define PART 65536  /* bytes that are read at a time: whole blocks */

static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define TURNED(x, by) ((x) >> (by) | (x) << (32 - (by)))
/* One round, after which d and h are the new e and a: names are exchanged, and no number moves. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                                          \
  h += (TURNED(e, 6) ^ TURNED(e, 11) ^ TURNED(e, 25)) + (g ^ (e & (f ^ g))) + rounds[i] + w[i];                    \
  d += h;                                                                                                         \
  h += (TURNED(a, 2) ^ TURNED(a, 13) ^ TURNED(a, 22)) + ((a & b) | (c & (a | b)));

static void add_block(uint32_t s[8], const unsigned char *bytes) {
  uint32_t w[64], a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
  for (int i = 0; i < 16; i++, bytes += 4) w[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + (TURNED(x, 7) ^ TURNED(x, 18) ^ x >> 3) + w[i - 7] + (TURNED(y, 17) ^ TURNED(y, 19) ^ y >> 10);
  }
  for (int i = 0; i < 64; i += 8) {
    ROUND(a, b, c, d, e, f, g, h, i)
    ROUND(h, a, b, c, d, e, f, g, i + 1)
    ROUND(g, h, a, b, c, d, e, f, i + 2)
    ROUND(f, g, h, a, b, c, d, e, i + 3)
    ROUND(e, f, g, h, a, b, c, d, i + 4)
    ROUND(d, e, f, g, h, a, b, c, i + 5)
    ROUND(c, d, e, f, g, h, a, b, i + 6)
    ROUND(b, c, d, e, f, g, h, a, i + 7)
  }
  s[0] += a, s[1] += b, s[2] += c, s[3] += d, s[4] += e, s[5] += f, s[6] += g, s[7] += h;
}

int sha256_of(FILE *file, char digits[65]) {
  unsigned char part[PART], end[2 * BLOCK] = {0};
  uint32_t state[8];
  uint64_t bytes = 0;
  size_t count, last = 0;
  memcpy(state, first, sizeof state);
  while ((count = fread(part, 1, PART, file)) > 0) {
    bytes += count;
    for (last = 0; last + BLOCK <= count; last += BLOCK) add_block(state, part + last);
    if (count % BLOCK) break; /* the end of the file */
  }
  if (ferror(file)) return 0;
  size_t left = (size_t)(bytes % BLOCK);
  memcpy(end, part + last, left);
  end[left] = 0x80;
  size_t whole = left + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
  for (int i = 0; i < 8; i++) end[whole - 1 - i] = (unsigned char)(bytes * 8 >> 8 * i);
  for (size_t at = 0; at < whole; at += BLOCK) add_block(state, end + at);
  for (int i = 0; i < 8; i++) snprintf(digits + 8 * i, 9, "%08lx", (unsigned long)state[i]);
  return 1;
}
