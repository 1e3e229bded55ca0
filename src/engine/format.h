// The disk format, normatively. Version 2. Integers are little-endian; "varint" is LEB128; "bytes"
// is a varint length and so many bytes; "zigzag" is a varint of a signed number (0, -1, 1, -2 ...
// as 0, 1, 2, 3 ...); checksums are XXH3-64. A decoder takes any bytes and returns CORRUPT or
// NEWER_FORMAT; it never trusts a length before it has checked it against what is there. A change
// here is one commit: this text, the version, the golden files, the reader of the older version.
// What version 1 had otherwise stands behind [1]: it is read for ever, and never written.
//
// Files of a data directory (NUMBER is decimal, unpadded, from one counter, never used twice):
//   LOCK                 empty; locked while a server has the directory open
//   CURRENT              "MANIFEST-NUMBER\n": the manifest in force; replaced by rename
//   MANIFEST-NUMBER      edits, in the record format of the log
//   NUMBER.log           log segment
//   NUMBER.sst           table
//   BALLAST              zeros, which go when the disk is full; may be missing
//   *.tmp                being written; removed at start
//
// A database has an id of 16 random bytes, made with it. A timeline is a stretch of its history in
// which sequence numbers are unique: recovery begins the next one (1 is the first) unless the last
// segment that had been begun ends in a clean seal, because what it could not find may have had the
// numbers that are given out now. (id, timeline, sequence number) names one record for ever.
// [1] no id, timeline 0. The first opening by a later version writes a manifest with id and
// timeline before anything else; from then on a program of version 1 answers NEWER_FORMAT.
//
// SEGMENT (log and manifest): a header, then records. The first 32 bytes mean the same in every
// version, so that each can tell a newer one from damage.
//   OFFSET SIZE MEANING
//   0      8    magic: LOG_MAGIC or MANIFEST_MAGIC
//   8      4    format version
//   12     4    size of the header: 64 [1: 0, the header has 32 bytes]
//   16     8    file number
//   24     8    checksum of bytes 0..23
//   32     16   database id
//   48     8    timeline in which the segment was begun
//   56     8    checksum of bytes 32..55, seeded with the file number
//   RECORD, at a multiple of 8; the gap before the next is zeros
//   0      8    checksum of bytes 8.. of this record to the end of the payload, seeded with
//               segment_seed(file number, offset of record)
//   8      4    payload length, > 0; 32 zero bytes where a record could begin are the end
//               (preallocated space)
//   12     4    proven: all bytes of this segment below this offset, and all older segments, were
//               synced before this record was written; 0: nothing known
//   16     8    SEGMENT_DATA in a log: sequence number of the first entry; others: 0
//   24     7    wall clock, ms since 1970, when the record was written (before 1970: 0)
//   31     1    enum segment_record_type [1: 0]. An unknown type below SEGMENT_OPTIONAL is
//               NEWER_FORMAT, from it on the record is skipped
//   32     ..   payload: BATCH in a log, EDIT in a manifest, SEAL, PROOF
//   SEAL: 8 last sequence number (manifest: 0), 8 number of the next segment, 0: none, a clean end.
//     The last record of its segment: what precedes it is all that was ever written there, behind
//     it are zeros. A log ends in a seal with 0, or is unfinished; so does a manifest.
//   PROOF: 8 last sequence number (manifest: 0). All before it was synced, and nothing came for a
//     while: its own proven position is its offset.
//   A segment that a seal, EDIT_LOG_START or EDIT_LOG_END names was there, with a whole header and
//   its name synced, before it was named. Timelines never go back from one segment to the next; a
//   later one than the manifest's stands only in a segment without records, of a failed start.
//
//   What a bad record means. Below a proven position of a good record anywhere behind it (in this
//   segment, or a later one): damage, CORRUPT with file and offset. Above every such position a
//   power cut may have torn it, and damage looks the same: the log ends there, and what lies behind
//   was never promised; how much that was is told. A clean end (a seal whose own proven position is
//   its offset) leaves nothing above, and so does a rest: a second after the last write, but under
//   the policy that never syncs, a PROOF is written and synced. Damage to the last seal or proof
//   costs nothing but that. In a segment behind a cut (EDIT_LOG_END) nothing counts.
//
// BATCH: entries, one behind the other. Entry i has sequence number first + i, skipped ones too.
//   1      tag: enum record_kind in the low 4 bits, record_flags in the high 4
//   varint more flags, if the tag has RECORD_MORE: a bit that is not known is NEWER_FORMAT; none is
//   then by kind:
//   PUT           key bytes; RECORD_EXPIRES: 8 expiry (ms since 1970, > 0); value bytes
//   DELETE        key bytes
//   DROP          prefix bytes: forgets all older entries below it
//   DROP_RANGE    from bytes, to bytes (from < to): forgets all older entries with from <= key < to
//   ADD           key bytes, zigzag delta
//   NOTE and all kinds from RECORD_SKIPPABLE on: bytes
//   Unknown kinds below RECORD_SKIPPABLE are NEWER_FORMAT, not damage (0 is); from it on they are
//   skipped, whatever their flags say.
//   NOTE: varint database, then the command that the batch came from, as RESP: for replication.
//
//   ADD (reserved) adds delta to the int64 that a PUT of 8 bytes, or nothing (0), holds below it.
//     - Folding: ADD over ADD is an ADD of the sum, ADD over PUT a PUT, ADD over nothing or over a
//       DELETE a PUT of the delta. It never crosses a snapshot. A PUT or DELETE above ends it.
//     - At the bottom of the tree an ADD becomes a PUT.
//     - A batch's later reads see its own ADDs; the undo of a failed sync subtracts them.
//     - A point read collects ADDs until a PUT, a DELETE or the bottom; the memtable folds in
//       place, so that there is at most one for each memtable and table.
//     - Live counts and doubts ignore it: its keys are never below a counted prefix.
//     - A sum beyond int64, or a PUT below it that has not 8 bytes, is damage.
//
// TABLE: data blocks, filter block, index block, properties block, footer.
//   BLOCK on disk: contents (after compression), then a 16-byte trailer:
//     0  1  compression: 0 none, 1 zstd
//     1  3  zero
//     4  4  length of the uncompressed contents
//     8  8  checksum of contents as stored and trailer bytes 0..7, seeded with
//           block_seed(table number, offset of block)
//   HANDLE: varint offset, varint length of the stored contents without trailer.
//   DATA block contents: entries in order (key ascending, seq descending), then restart offsets
//     (4 bytes each), then their count (4 bytes). A restart every TABLE_RESTART_INTERVAL entries.
//     ENTRY: varint shared (bytes of key in common with the entry before; 0 at a restart), varint
//       unshared, 1 tag and its more flags (as in BATCH), varint seq, [RECORD_EXPIRES: 8 expiry],
//       [PUT, ADD: varint value length], unshared key bytes, [value; of ADD: 8 bytes, the delta]
//     Kinds in tables: PUT, DELETE, ADD.
//   INDEX block contents: as a data block whose values are HANDLEs, tag PUT, seq: how many entries
//     data block i has (0: not told); the key of entry i is >= every key in data block i and <
//     every key in data block i + 1 (a short separator); equal only where the versions of one key
//     go on in block i + 1. Uncompressed.
//   FILTER block contents: n lines of 64 bytes, then 4 n, 4 k, 1 enum filter_type, 3 zero [1: ends
//     behind k, FILTER_KEYS]. An unknown type answers "maybe". Uncompressed. A blocked Bloom filter
//     (Putze, Sanders, Singler 2007): hash h = hash64(user key); line ((h >> 32) * n) >> 32; k
//     probes inside its 512 bits from the low 32 bits, see filter.c.
//   PROPERTIES block contents: DESCRIPTION
//   FOOTER, the last 64 bytes:
//     0  8  TABLE_MAGIC
//     8  4  format version
//     12 4  zero
//     16 8  index offset, 24 8 index length; 32 8 properties offset, 40 8 properties length
//     48 8  table number
//     56 8  checksum of bytes 0..55
//
// DESCRIPTION of a table: repeated (varint tag, value bytes): enum table_property. An unknown tag
// below PROPERTY_OPTIONAL is NEWER_FORMAT, from it on skipped. A number that is 0 is left out.
// [1: the properties block alone; unknown tags are skipped]
//
// EDIT: repeated (varint tag, value bytes): enum edit_tag; unknown ones as above (EDIT_OPTIONAL).
// The first edit of a manifest is the whole version; all else is relative to what came before.
#ifndef VARVE_ENGINE_FORMAT_H
#define VARVE_ENGINE_FORMAT_H

#include <stdint.h>

enum { FORMAT_VERSION = 2 };
#define LOG_MAGIC 0x31474f4c56525600ull
#define MANIFEST_MAGIC 0x314e414d56525600ull
#define TABLE_MAGIC 0x3142415456525600ull

enum segment_record_type {
    SEGMENT_DATA = 0, // BATCH or EDIT
    SEGMENT_SEAL = 1,
    SEGMENT_OPTIONAL = 128,
    SEGMENT_PROOF = 128,
};

enum record_kind {
    RECORD_PUT = 1,
    RECORD_DELETE = 2,
    RECORD_DROP = 3,
    RECORD_VALUE_POINTER = 4, // reserved: a value that lies in a file of large values
    RECORD_DROP_RANGE = 5,
    RECORD_ADD = 6, // reserved
    RECORD_SKIPPABLE = 12,
    RECORD_NOTE = 12,
};

// What a record says of the key's state beneath it (older records of the same key); counts.h has
// the calculus.
enum record_flags {
    RECORD_EXPIRES = 0x10,  // an expiry follows
    RECORD_FRESH = 0x20,    // beneath it the key is certainly absent
    RECORD_IN_DOUBT = 0x40, // beneath it the key is taken to be live, which is not certain
    RECORD_MORE = 0x80,     // more flags follow
    RECORD_KIND_MASK = 0x0f,
};

enum filter_type { FILTER_KEYS = 1, FILTER_PREFIXES = 2 /* reserved */ };

enum {
    DATABASE_ID_SIZE = 16,
    SEGMENT_HEADER_SIZE = 64,
    SEGMENT_HEADER_SIZE_V1 = 32,
    SEGMENT_RECORD_HEADER_SIZE = 32,
    SEGMENT_SEAL_SIZE = 16,
    SEGMENT_PROOF_SIZE = 8,
    SEGMENT_ALIGNMENT = 8,
    BLOCK_TRAILER_SIZE = 16,
    TABLE_FOOTER_SIZE = 64,
    TABLE_RESTART_INTERVAL = 4, // the writer's: readers take any
    FILTER_LINE_SIZE = 64,
};

// Varints but where it says otherwise. "Manifest": the file itself could not know it.
enum table_property {
    PROPERTY_ENTRIES = 1,
    PROPERTY_DELETES = 2,
    PROPERTY_IN_DOUBT = 3, // records in doubt
    PROPERTY_SEQ_MIN = 4,
    PROPERTY_SEQ_MAX = 5,
    PROPERTY_SMALLEST = 6,   // user key
    PROPERTY_LARGEST = 7,    // user key
    PROPERTY_EXPIRE_MIN = 8, // ms; absent: nothing expires
    PROPERTY_EXPIRE_MAX = 9, // ms
    PROPERTY_FILTER = 10,    // HANDLE; absent: none
    PROPERTY_LEVEL = 11,     // the level it was written for; in the manifest the one it is in
    PROPERTY_RAW_BYTES = 12, // keys and values
    PROPERTY_EXPIRING = 13,  // records with an expiry
    PROPERTY_NUMBER = 14,
    PROPERTY_FORMAT = 15,    // format version of the file; absent: 1
    PROPERTY_SIZE = 16,      // manifest: bytes of the file
    PROPERTY_INDEX = 17,     // manifest: HANDLE
    PROPERTY_CLEAN_SEQ = 18, // manifest: it holds nothing below a drop with a seq up to this one
    PROPERTY_CHECKSUM = 19,  // manifest: 8 bytes, of the whole file; absent: not known [1]
    PROPERTY_LOCATION = 20,  // manifest: which directory it lies in; 0: the data directory
    PROPERTY_OPTIONAL = 64,
    PROPERTY_DATABASE = 64,   // 16 bytes id, varint timeline, of its writer
    PROPERTY_BLOCK_MOST = 65, // the most entries a data block of it has; absent: not told
    PROPERTY_COVERS = 66,     // records without RECORD_FRESH
};

enum edit_tag {
    EDIT_NEXT_FILE = 1, // varint: file numbers below are taken
    EDIT_LAST_SEQ = 2,  // varint: entries up to it are in tables, or in segments from LOG_START on
    EDIT_LOG_START = 3, // varint: number of the first segment that recovery reads
    // varint number, varint offset, varint resume: a recovery found the log's end in segment
    // `number` at offset. All before it is synced, whatever lies behind does not count, neither do
    // segments between it and `resume`, where the log goes on. The last one for a segment holds.
    EDIT_LOG_END = 4,
    // [1] varint level, number, size, HANDLE index, HANDLE filter, varint entries, deletes, in
    // doubt, seq min, seq max, expire min, expire max, expiring, raw bytes, clean seq; smallest
    // bytes, largest bytes. Now EDIT_TABLE.
    EDIT_ADD_TABLE = 5,
    EDIT_DROP_TABLE = 6, // varint level, varint number: it leaves
    // prefix bytes, zigzag: added to the count of live keys below prefix, zigzag: added to that of
    // its records in doubt. Applied after the drops of the same edit.
    EDIT_COUNT = 7,
    EDIT_DROP = 8,        // varint seq, prefix to the end: a drop that tables may need; forgets the
                          // counts below the prefix
    EDIT_DROP_DONE = 9,   // varint seq, prefix: that drop has nothing left to do
    EDIT_TABLE = 10,      // DESCRIPTION: it enters
    EDIT_DATABASE = 11,   // 16 bytes id, varint timeline in force from here on
    EDIT_DROP_RANGE = 12, // reserved: varint seq, from bytes, to bytes
    EDIT_DROP_RANGE_DONE = 13, // reserved: the same
    // reserved: generation 8 bytes big-endian, then pairs of varints: ids skipped, ids that are
    // dead. Nobody reads below a dead id again.
    EDIT_DEAD_IDS = 14,
    // varint seq, from bytes, to bytes: of keys from <= key < to, records up to seq may have been
    // in a block that is lost. Who finds none newer says CORRUPT. EDIT_DAMAGE_DONE takes it back.
    EDIT_DAMAGE = 15,
    EDIT_DAMAGE_DONE = 16,
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
