/* The checksum of a file's weights (runtime/model/checksum.py): the sum of the CRC-32 of its tensors, by which damage is noticed. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define CRC 0xEDB88320u /* the polynomial, its bits from the lowest */
#define DOC_STRING 12   /* of a tensor: words that fill up */
#define PART 65536      /* bytes that are read at a time */

typedef enum { NONE, MODEL, FUNCTION, GRAPH, NODE, ATTRIBUTE, SPARSE, TENSOR } message;

/* The fields that lead to tensors, and the kind of message in each (onnx.proto). */
static const struct {
  message of;
  uint64_t field;
  message inner;
} fields[] = {{MODEL, 7, GRAPH},     {MODEL, 25, FUNCTION},  {FUNCTION, 7, NODE},    {GRAPH, 1, NODE},        {GRAPH, 5, TENSOR},
              {GRAPH, 15, SPARSE},   {NODE, 5, ATTRIBUTE},   {ATTRIBUTE, 5, TENSOR}, {ATTRIBUTE, 6, GRAPH},   {ATTRIBUTE, 10, TENSOR},
              {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 22, SPARSE}, {ATTRIBUTE, 23, SPARSE}, {SPARSE, 1, TENSOR}, {SPARSE, 2, TENSOR}};

/* What is read of a file; the CRC-32 of the tensor that is read, all bits turned, and the sum of those before. */
typedef struct {
  FILE *file;
  uint32_t tables[8][256], crc;
  uint64_t sum;
  unsigned char part[PART];
} reading;

static message inside(message of, uint64_t field) {
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
    if (fields[i].of == of && fields[i].field == field) return fields[i].inner;
  return NONE;
}

/* For each of eight places of a byte, what it does to a CRC-32 when all after it are read. */
static void fill_tables(uint32_t tables[8][256]) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ CRC : crc >> 1;
    tables[0][byte] = crc;
  }
  for (int place = 1; place < 8; place++)
    for (int byte = 0; byte < 256; byte++) {
      uint32_t crc = tables[place - 1][byte];
      tables[place][byte] = tables[0][crc & 255] ^ (crc >> 8);
    }
}

static void add(reading *of, const unsigned char *bytes, size_t count) {
  uint32_t crc = of->crc, (*by)[256] = of->tables;
  for (; count >= 8; bytes += 8, count -= 8) {
    uint32_t low = crc ^ (bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
    crc = by[7][low & 255] ^ by[6][(low >> 8) & 255] ^ by[5][(low >> 16) & 255] ^ by[4][low >> 24] ^ by[3][bytes[4]] ^ by[2][bytes[5]] ^
          by[1][bytes[6]] ^ by[0][bytes[7]];
  }
  for (; count; bytes++, count--) crc = by[0][(crc ^ *bytes) & 255] ^ (crc >> 8);
  of->crc = crc;
}

/* A number of protobuf, whose bytes are put behind those of a field's head; 0 where the message ends before it. */
static int read_number(reading *of, uint64_t *left, uint64_t *number, unsigned char *head, size_t *length) {
  *number = 0;
  for (int shift = 0; shift < 64 && *left; shift += 7, --*left) {
    int byte = getc(of->file);
    if (byte == EOF) return 0;
    head[(*length)++] = (unsigned char)byte;
    *number |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return --*left, 1;
  }
  return 0;
}

/* Read so many bytes, and count those that belong to the checksum. */
static int read_bytes(reading *of, uint64_t count, int counts) {
  if (!counts) return fseek(of->file, (long)count, SEEK_CUR) == 0;
  for (size_t size; count; count -= size) {
    size = count < PART ? (size_t)count : PART;
    if (fread(of->part, 1, size, of->file) != size) return 0;
    add(of, of->part, size);
  }
  return 1;
}

static int read_message(reading *of, uint64_t left, message kind) {
  while (left) {
    unsigned char head[32];
    size_t length = 0;
    uint64_t key, size = 0;
    if (!read_number(of, &left, &key, head, &length)) return 0;
    int counts = kind == TENSOR && key >> 3 != DOC_STRING, type = (int)(key & 7);
    if (type == 0 || type == 2 ? !read_number(of, &left, &size, head, &length) : type != 1 && type != 5) return 0;
    if (type != 2) size = type == 1 ? 8 : type == 5 ? 4 : 0;
    if (size > left) return 0;
    left -= size;
    if (counts) add(of, head, length);
    message inner = type == 2 ? inside(kind, key >> 3) : NONE;
    if (inner == TENSOR) of->crc = ~0u;
    if (inner == NONE ? !read_bytes(of, size, counts) : !read_message(of, size, inner)) return 0;
    if (inner == TENSOR) of->sum += (uint32_t)~of->crc;
  }
  return 1;
}

int checksum_of(FILE *file, char digits[17]) {
  reading of = {.file = file};
  if (fseek(file, 0, SEEK_END)) return 0;
  long size = ftell(file);
  if (size < 0 || fseek(file, 0, SEEK_SET)) return 0;
  fill_tables(of.tables);
  if (!read_message(&of, (uint64_t)size, MODEL)) return 0;
  snprintf(digits, 17, "%08lx%08lx", (unsigned long)(of.sum >> 32), (unsigned long)(of.sum & 0xFFFFFFFFu));
  return 1;
}
