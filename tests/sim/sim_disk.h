// sim_disk: what sim_env keeps on its disk: files with durable and unsynced contents, names with
// durable and pending changes, and what a power cut makes of both. Private to sim_env.
#ifndef VARVE_TESTS_SIM_DISK_H
#define VARVE_TESTS_SIM_DISK_H

#include <stdbool.h>

#include "base/random.h"
#include "base/slice.h"

enum { SIM_SECTOR = 512 };

struct dirt {
    uint16_t from, to; // bytes of the sector that are not synced; from == to: none
};

struct inode {
    struct inode *next;
    bool is_dir;
    bool locked;
    bool marked;      // by sweep
    uint32_t handles; // open ones
    uint8_t *live;    // cap bytes: what programs read; zeros behind live_size
    uint8_t *durable; // cap bytes: what is on the platter
    uint64_t live_size, durable_size;
    uint64_t cap;                  // a multiple of SIM_SECTOR
    struct dirt *dirt;             // one a sector
    uint64_t dirty_from, dirty_to; // sectors outside are clean
};

struct names {
    struct name {
        char *path;
        struct inode *inode;
    } * rows;
    size_t count, cap;
};

// A pending change of names. A rename is two of one group, the new name first.
struct change {
    char *path;
    struct inode *inode;
    bool remove;
    uint64_t group;
};

struct sim_disk {
    struct random random;
    bool ordered;
    struct inode *inodes;
    struct names live, durable;
    struct change *pending; // oldest first
    size_t pending_count, pending_cap;
    uint64_t groups;
};

void disk_init(struct sim_disk *d, uint64_t seed);
void disk_copy(struct sim_disk *d, const struct sim_disk *from, uint64_t seed);
void disk_release(struct sim_disk *d);

struct inode *disk_find(const struct sim_disk *d, const char *path); // NULL if there is none
bool disk_has_parent(const struct sim_disk *d, const char *path);
bool disk_is_in(const char *path, const char *dir); // directly
struct inode *disk_create(struct sim_disk *d, const char *path, bool is_dir);
void disk_link(struct sim_disk *d, const char *path, struct inode *inode);
void disk_unlink(struct sim_disk *d, const char *path);
void disk_rename(struct sim_disk *d, const char *from, const char *to);
void disk_sync_names(struct sim_disk *d, const char *dir);
void disk_sync_name(struct sim_disk *d, const char *path); // of this name alone
uint64_t disk_used(const struct sim_disk *d);
// Frees files that no name, pending change or handle leads to.
void disk_sweep(struct sim_disk *d);
void disk_crash(struct sim_disk *d);

void inode_write(struct sim_disk *d, struct inode *inode, uint64_t offset, struct slice data);
void inode_resize(struct inode *inode, uint64_t size);
void inode_sync(struct inode *inode);
// What a failed sync leaves: each unsynced sector was written, or counts as clean though it was
// not.
void inode_sync_badly(struct sim_disk *d, struct inode *inode);

#endif
