#include "sound.h"

#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_wav(int format)
{
    const int type = format & SF_FORMAT_TYPEMASK;
    return type == SF_FORMAT_WAV || type == SF_FORMAT_WAVEX;
}

/* NULL, or what speaks against it. */
static const char *find_fault(const SF_INFO *info)
{
    return !is_wav(info->format)              ? "is not a WAV file"
           : info->channels != 1              ? "has more than one channel: mono is wanted"
           : info->frames < 1                 ? "holds no sound"
           : info->frames > SOUND_MAX_SAMPLES ? "is too long: 16,777,216 samples at most"
                                              : NULL;
}

static const char *read_samples(SNDFILE *file, const SF_INFO *info, struct sound *sound)
{
    sound->rate = info->samplerate;
    sound->samples = malloc((size_t)info->frames * sizeof *sound->samples);
    if (!sound->samples) {
        return "does not fit into memory";
    }
    /* A file may be shorter than its header says. */
    sf_count_t got = sf_readf_float(file, sound->samples, info->frames);
    if (got < 1) {
        return "holds no sound";
    }
    sound->count = (size_t)got;
    for (size_t i = 0; i < sound->count; i++) {
        if (!isfinite(sound->samples[i])) {
            return "has samples that are no numbers";
        }
    }
    return NULL;
}

bool sound_read(const char *path, struct sound *sound)
{
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file) {
        fprintf(stderr, "stream: %s: %s\n", path, sf_strerror(NULL));
        return false;
    }
    *sound = (struct sound){0};
    const char *fault = find_fault(&info);
    if (!fault) {
        fault = read_samples(file, &info, sound);
    }
    sf_close(file);
    if (fault) {
        fprintf(stderr, "stream: %s %s\n", path, fault);
        free(sound->samples);
        return false;
    }
    return true;
}

bool sound_write(const char *path, const struct sound *sound)
{
    SF_INFO info = {
        .samplerate = sound->rate,
        .channels = 1,
        .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16,
    };
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    if (!file) {
        fprintf(stderr, "stream: %s: %s\n", path, sf_strerror(NULL));
        return false;
    }
    sf_command(file, SFC_SET_CLIPPING, NULL, SF_TRUE);
    const sf_count_t count = (sf_count_t)sound->count;
    bool whole = sf_writef_float(file, sound->samples, count) == count;
    whole = sf_close(file) == 0 && whole;
    if (!whole) {
        fprintf(stderr, "stream: %s cannot be written\n", path);
    }
    return whole;
}
