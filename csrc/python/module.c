/* The Python module pycls.datasets.readers._native. */
#include "calls.h"

#include "checksum.h"
#include "watch.h"

int check_heartbeat(const struct heartbeat *heartbeat, Py_ssize_t count)
{
    int valid = heartbeat->indices.len == count * (Py_ssize_t)sizeof(int64_t) && heartbeat->row.len == 2 * sizeof(int64_t);
    if (!valid)
        PyErr_SetString(PyExc_ValueError, "a call needs one int64 index for each image and a row of 2 int64");
    return valid;
}

void note_image(const struct heartbeat *heartbeat, Py_ssize_t number)
{
    note(heartbeat->row.buf, ((const int64_t *)heartbeat->indices.buf)[number]);
}

void release_heartbeat(struct heartbeat *heartbeat)
{
    PyBuffer_Release(&heartbeat->indices);
    PyBuffer_Release(&heartbeat->row);
}

static PyMethodDef methods[] = {
    {"resized_crops", call_resized_crops, METH_VARARGS, resized_crops_doc},
    {"levels", call_levels, METH_NOARGS,
     "levels() -> names of the kernels that this processor can run, the best one last."},
    {"read_files", call_read_files, METH_VARARGS, read_files_doc},
    {"read_pieces", call_read_pieces, METH_VARARGS, read_pieces_doc},
    {NULL, NULL, 0, NULL},
};

static int prepare(PyObject *module)
{
    (void)module;
    prepare_checksum();
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)prepare},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_native", .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
