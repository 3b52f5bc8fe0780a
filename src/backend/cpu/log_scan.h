#ifndef WR_BACKEND_CPU_LOG_SCAN_H
#define WR_BACKEND_CPU_LOG_SCAN_H

/* Running logarithms of sums of exponentials along a line of floats. */

/* So many elements at a time. */
enum { WR_LOG_SCAN = 256 };

/* y[i] = log(e^carry + e^x[0] + .. + e^x[i]) for n <= WR_LOG_SCAN elements; leaves the last in
   `carry`, which is -inf at first. */
void wr_log_scan(const float *x, double *y, int n, double *carry);

#endif
