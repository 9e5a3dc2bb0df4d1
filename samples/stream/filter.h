/* The low-pass filter on the CPU: its design, and what the answers of stream.comp are held against.
 */
#ifndef STREAM_FILTER_H
#define STREAM_FILTER_H

#include <stddef.h>

/* As in stream.comp: a message is a block, and the filter reaches back by exactly one. */
#define FILTER_BLOCK 256
#define FILTER_TAPS (FILTER_BLOCK + 1)
#define FILTER_DELAY (FILTER_TAPS / 2) /* samples by which the output is behind the input */

/* Parts of the sampling rate: 4 kHz of 48 kHz. The fall from all to nothing takes a Blackman
 * window 5.5 / FILTER_TAPS; the bands below and above are left whole and taken away. */
#define FILTER_CUTOFF (1.0 / 12)
#define FILTER_PASS (FILTER_CUTOFF - 2.75 / FILTER_TAPS)
#define FILTER_STOP (FILTER_CUTOFF + 2.75 / FILTER_TAPS)

/* A windowed sinc, with a gain of 1 at 0 Hz. By the book: sidelobes of -74 dB, a ripple of 0.002 dB
 * (Oppenheim, Schafer: Discrete-Time Signal Processing, 7.5; Smith: The Scientist and Engineer's
 * Guide to Digital Signal Processing, chapter 16, dspguide.com). */
void filter_design(float taps[FILTER_TAPS]);

/* Does what the kernel does to a whole signal with silence before it, all in float and every
 * addition in the same order. Build it with -ffp-contract=off: a fused multiply-add rounds once
 * where the shader rounds twice. */
void filter_run(const float taps[FILTER_TAPS], const float *in, float *out, size_t count);

#endif
