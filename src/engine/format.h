// The disk format, normatively. Version 1. Integers are little-endian; "varint" is LEB128; checksums are XXH3-64.
// A decoder takes any bytes and returns CORRUPT; it never trusts a length before it has checked it against what is there.
// A change here is one commit: this text, the version, the golden file, the reader of the older version.
//
// Files of a data directory (NUMBER is decimal, unpadded):
//   LOCK                 empty; locked while a server has the directory open
//   CURRENT              "MANIFEST-NUMBER\n": the manifest in force; replaced by rename
//   MANIFEST-NUMBER      edits, in the record format of the log
//   NUMBER.log           log segment
//   NUMBER.sst           table
//   *.tmp                being written; removed at start
// File numbers come from one counter and are never used twice.
//
// SEGMENT (log and manifest)
//   OFFSET SIZE MEANING
//   0      8    magic: LOG_MAGIC or MANIFEST_MAGIC
//   8      4    format version
//   12     4    zero
//   16     8    file number
//   24     8    checksum of bytes 0..23
//   32     ..   records, each beginning at a multiple of 8; the gap before the next is zeros
//   RECORD
//   0      8    checksum of bytes 8.. of this record to the end of the payload, seeded with segment_seed(file number, offset of record)
//   8      4    payload length, > 0; a length of 0 with all 32 bytes zero is the end (preallocated space)
//   12     4    proven: all bytes of this segment below this offset, and all older segments, were synced before this record was
//               written; 0: nothing known. A bad record below a proven position of a later good record is damage.
//   16     8    sequence number of the first entry of the batch; 0 in a manifest
//   24     8    wall clock, ms, when the record was written
//   32     ..   payload: BATCH in a log, EDIT in a manifest
//
// BATCH: entries, one behind the other. Entry i has sequence number first + i.
//   1  tag: enum record_kind in the low 4 bits, record_flags in the high 4
//   varint key length, key
//   PUT only: with RECORD_EXPIRES 8 bytes expiry (ms since 1970, > 0); varint value length, value
//   DROP: the key is the prefix
//
// TABLE: data blocks, filter block, index block, properties block, footer.
//   BLOCK on disk: contents (after compression), then a 16-byte trailer:
//     0  1  compression: 0 none, 1 zstd
//     1  3  zero
//     4  4  length of the uncompressed contents
//     8  8  checksum of contents as stored and trailer bytes 0..7, seeded with block_seed(table number, offset of block)
//   HANDLE: varint offset, varint length of the stored contents without trailer.
//   DATA block contents: entries in order (key ascending, seq descending), then restart offsets (4 bytes each), then their count (4 bytes).
//     ENTRY: varint shared (bytes of key in common with the entry before; 0 at a restart), varint unshared, 1 tag (as in BATCH),
//            varint seq, [RECORD_EXPIRES: 8 bytes expiry], [PUT: varint value length], unshared key bytes, [value]
//     A restart every TABLE_RESTART_INTERVAL entries. Kinds in tables: PUT, DELETE (VALUE_POINTER is reserved).
//   INDEX block contents: as a data block whose values are HANDLEs, tag PUT, seq 0; the key of entry i is >= every key in data block i and
//     < every key in data block i + 1 (a short separator); equal only where the versions of one key go on in block i + 1.
//     Uncompressed always.
//   FILTER block contents: blocked Bloom filter (Putze, Sanders, Singler 2007): n blocks of 64 bytes, then 4 bytes n, 4 bytes k. A key's
//     hash h = hash64(user key): block = ((h >> 32) * n) >> 32; k probes inside the 512 bits from the low 32 bits, see filter.c.
//     Uncompressed always.
//   PROPERTIES block contents: repeated (varint tag, varint length, bytes): enum table_property; unknown tags are skipped.
//   FOOTER, the last 64 bytes:
//     0  8  TABLE_MAGIC
//     8  4  format version
//     12 4  zero
//     16 8  index offset, 24 8 index length; 32 8 properties offset, 40 8 properties length
//     48 8  table number
//     56 8  checksum of bytes 0..55
//
// EDIT: repeated (varint tag, varint length, bytes): enum edit_tag; an unknown tag below EDIT_OPTIONAL is NEWER_FORMAT, from it on skipped.
// The first edit of a manifest is the whole version. All else is relative to what came before.
#ifndef VARVE_ENGINE_FORMAT_H
#define VARVE_ENGINE_FORMAT_H

#include <stdint.h>

enum { FORMAT_VERSION = 1 };

#define LOG_MAGIC 0x31474f4c56525600ull
#define MANIFEST_MAGIC 0x314e414d56525600ull
#define TABLE_MAGIC 0x3142415456525600ull

enum record_kind {
    RECORD_PUT = 1,
    RECORD_DELETE = 2,
    RECORD_DROP = 3,
    RECORD_VALUE_POINTER = 4, // reserved: a value that lies in a file of large values
};

// What a record says of the key's state beneath it (older records of the same key); counts.h has the calculus.
enum record_flags {
    RECORD_EXPIRES = 0x10,  // an expiry follows
    RECORD_FRESH = 0x20,    // beneath it the key is certainly absent
    RECORD_IN_DOUBT = 0x40, // beneath it the key is taken to be live, which is not certain
    RECORD_KIND_MASK = 0x0f,
};

enum {
    SEGMENT_HEADER_SIZE = 32,
    SEGMENT_RECORD_HEADER_SIZE = 32,
    SEGMENT_ALIGNMENT = 8,
    BLOCK_TRAILER_SIZE = 16,
    TABLE_FOOTER_SIZE = 64,
    TABLE_RESTART_INTERVAL = 4, // the writer's: readers take any
    FILTER_BLOCK_SIZE = 64,
};

enum table_property {
    PROPERTY_ENTRIES = 1,    // varint
    PROPERTY_DELETES = 2,    // varint
    PROPERTY_IN_DOUBT = 3,   // varint: records in doubt
    PROPERTY_SEQ_MIN = 4,    // varint
    PROPERTY_SEQ_MAX = 5,    // varint
    PROPERTY_SMALLEST = 6,   // user key
    PROPERTY_LARGEST = 7,    // user key
    PROPERTY_EXPIRE_MIN = 8, // varint, ms; absent: nothing expires
    PROPERTY_EXPIRE_MAX = 9, // varint, ms
    PROPERTY_FILTER = 10,    // HANDLE
    PROPERTY_LEVEL = 11,     // varint: the level it was written for
    PROPERTY_RAW_BYTES = 12, // varint: keys and values
    PROPERTY_EXPIRING = 13,  // varint: records with an expiry
};

enum edit_tag {
    EDIT_NEXT_FILE = 1, // varint: file numbers below are taken
    EDIT_LAST_SEQ =
        2, // varint: all entries up to it are in tables (or in segments from EDIT_LOG_START on)
    EDIT_LOG_START = 3, // varint: number of the first segment that recovery reads
    EDIT_LOG_END = 4, // varint number, varint offset: this segment ends there, whatever lies behind
    EDIT_ADD_TABLE =
        5, // varint level, varint number, varint size, HANDLE index, HANDLE filter, varint entries, varint deletes, varint
    // in doubt, varint seq min, varint seq max, varint expire min, varint expire max, varint expiring, varint
    // raw bytes, smallest (varint length, bytes), largest (same)
    EDIT_DROP_TABLE = 6, // varint level, varint number
    EDIT_COUNT =
        7, // varint prefix length, prefix, zigzag varint: added to the count of live keys below prefix, zigzag varint: added to
    // that of its records in doubt. Applied after the drops of the same edit
    EDIT_DROP =
        8, // varint seq, prefix to the end: a drop that tables may need; forgets the counts below the prefix
    EDIT_DROP_DONE = 9, // varint seq, prefix: that drop has nothing left to do
    EDIT_OPTIONAL = 64,
};

static inline uint64_t segment_seed(uint64_t file_number, uint64_t offset)
{
    return file_number * 0x9e3779b97f4a7c15ull ^ offset;
}

static inline uint64_t block_seed(uint64_t table_number, uint64_t offset)
{
    return table_number * 0xc2b2ae3d27d4eb4full ^ offset;
}

#endif
