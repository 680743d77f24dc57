// Threads that wait for work, one set per process.
#pragma once

#include <functional>

namespace rapidnn {

// Calls work(number) on up to `threads` threads at once, this one among them as number 0; before, start(how many there
// are). There are fewer where the system lends no more, and one where others have the threads. What work throws on any
// of them is thrown here. After its work a thread looks out for more for a moment before it sleeps: waking up takes
// longer than many a batch.
void on_threads(int threads, const std::function<void(int)>& start, const std::function<void(int)>& work);

}  // namespace rapidnn
