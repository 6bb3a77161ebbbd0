/* The functions of the Python module. Each checks its arguments, then lets go of Python's lock for the whole of a call:
 * asking for it again once an image would have to wait for a main thread that is busy in Python. */
#ifndef PYCLS_CALLS_H
#define PYCLS_CALLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

/* What every call on images gets: the samples' indices, and the heartbeat's row to note them in. */
struct heartbeat {
    Py_buffer indices, row;
};

/* Return 0, with ValueError set, unless there are `count` int64 indices and a row of two int64. */
int check_heartbeat(const struct heartbeat *heartbeat, Py_ssize_t count);

/* Note that image `number` of the call is worked on. */
void note_image(const struct heartbeat *heartbeat, Py_ssize_t number);

void release_heartbeat(struct heartbeat *heartbeat);

PyObject *call_resized_crops(PyObject *module, PyObject *args);
PyObject *call_levels(PyObject *module, PyObject *args);
PyObject *call_read_files(PyObject *module, PyObject *args);
PyObject *call_read_pieces(PyObject *module, PyObject *args);

extern const char resized_crops_doc[], read_files_doc[], read_pieces_doc[];

#endif
