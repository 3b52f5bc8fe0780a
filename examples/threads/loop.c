/* An event loop that waits for the library beside everything else. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <weir/weir.h>

int main(void) {
  int fd = -1, shape[] = {1 << 18}, loop = epoll_create1(EPOLL_CLOEXEC);
  mlx_stream stream = mlx_default_cpu_stream_new();
  mlx_array bits = mlx_array_new(), sorted = mlx_array_new();
  weir_event done = weir_event_new();

  /* Readable once the event is recorded and what stands before it is over. */
  if (loop < 0 || weir_event_fd(&fd, done) != 0) return 1;
  struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &want) != 0) return 1;

  if (mlx_random_bits(&bits, shape, 1, 4, (mlx_array){0}, stream) != 0) return 1;
  if (mlx_sort(&sorted, bits, stream) != 0) return 1;
  mlx_vector_array results = mlx_vector_array_new_value(sorted);
  if (mlx_async_eval(results) != 0) return 1;         /* submitted, */
  if (weir_event_record(done, stream) != 0) return 1; /* and the event behind it */

  struct epoll_event got; /* the loop's other descriptors are served meanwhile */
  if (epoll_wait(loop, &got, 1, 20000) != 1 || got.data.fd != fd) return 1;
  const uint32_t *words = mlx_array_data_uint32(sorted); /* does not wait; NULL if it failed */
  printf("%s\n", words && words[0] <= words[shape[0] - 1] ? "sorted" : weir_last_error());

  weir_event_free(done); /* closes fd, which leaves the epoll set with it */
  mlx_vector_array_free(results);
  mlx_array_free(sorted);
  mlx_array_free(bits);
  mlx_stream_free(stream);
  close(loop);
  return 0;
}
