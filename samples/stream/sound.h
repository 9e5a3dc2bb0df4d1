/* Sound in WAV files of one channel, through libsndfile. */
#ifndef STREAM_SOUND_H
#define STREAM_SOUND_H

#include <stdbool.h>
#include <stddef.h>

#define SOUND_MAX_SAMPLES (1 << 24) /* almost six minutes at 48 kHz */

struct sound {
    float *samples; /* full scale is 1 */
    size_t count;   /* at least 1 */
    int rate;       /* samples per second */
};

/* Both say on stderr what is wrong with the file before they return false. */

/* On true, free sound->samples when done with it. */
bool sound_read(const char *path, struct sound *sound);

/* As 16-bit numbers; what is over full scale is clipped. */
bool sound_write(const char *path, const struct sound *sound);

#endif
