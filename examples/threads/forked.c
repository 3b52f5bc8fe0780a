/* A child of a process that uses the library. */
#include <mlx/c/mlx.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
  int status = 1;
  float value = 0;
  mlx_stream stream = mlx_default_cpu_stream_new(); /* in a child, work on a GPU fails */
  mlx_array one = mlx_array_new_float(1), sum = mlx_array_new();
  if (mlx_add(&sum, one, one, stream) != 0) return 1;
  pid_t child = fork();
  if (child == 0) { /* arrays and streams of the parent's work here too */
    _exit(mlx_array_item_float32(&value, sum) == 0 && value == 2 ? 0 : 1);
  }
  if (child < 0 || waitpid(child, &status, 0) != child) return 1;
  printf("child %d, parent %d\n", status, mlx_array_item_float32(&value, sum));
  mlx_array_free(sum);
  mlx_array_free(one);
  mlx_stream_free(stream);
  return 0;
}
