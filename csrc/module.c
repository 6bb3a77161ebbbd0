/* The Python module: checks the arguments, then lets go of Python's lock for the whole of the work. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "show.h"

struct buffers {
    Py_buffer data, box, place;
};

static int fill_request(struct request *request, const struct buffers *buffers, int level)
{
    if (buffers->box.len != (Py_ssize_t)sizeof request->box || request->side <= 0 || request->side > 1 << 14 ||
        buffers->place.len != (Py_ssize_t)request->side * request->side * 3) {
        PyErr_SetString(PyExc_ValueError, "show needs a box of 4 float64 and side * side * 3 bytes to write to");
        return 0;
    }
    memcpy(&request->box, buffers->box.buf, sizeof request->box);
    request->data = buffers->data.buf;
    request->size = (size_t)buffers->data.len;
    request->place = buffers->place.buf;
    request->kernels = kernels_of_level(level);
    if (!request->kernels)
        PyErr_Format(PyExc_ValueError, "this processor has no level %d", level);
    return request->kernels != NULL;
}

static PyObject *show(PyObject *module, PyObject *args)
{
    (void)module;
    struct buffers buffers;
    struct request request;
    int level = best_level(), done = 0;
    if (!PyArg_ParseTuple(args, "y*y*pppw*i|i:show", &buffers.data, &buffers.box, &request.beyond, &request.antialias,
                          &request.flip, &buffers.place, &request.side, &level))
        return NULL;
    int valid = fill_request(&request, &buffers, level);
    if (valid) {
        Py_BEGIN_ALLOW_THREADS
        done = show_jpeg(&request);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&buffers.data);
    PyBuffer_Release(&buffers.box);
    PyBuffer_Release(&buffers.place);
    return valid ? PyBool_FromLong(done) : NULL;
}

static PyObject *levels(PyObject *module, PyObject *args)
{
    (void)module, (void)args;
    PyObject *names = PyList_New(0);
    for (int level = 0; names && level <= best_level(); level++) {
        PyObject *name = PyUnicode_FromString(kernels_of_level(level)->name);
        if (!name || PyList_Append(names, name))
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef methods[] = {
    {"show", show, METH_VARARGS,
     "show(data, box, beyond, antialias, flip, place, side[, level]) -> bool\n\n"
     "Decode what `box` (float64: top, left, height, width) shows of a JPEG, resize it and write uint8 RGB into\n"
     "`place` (side, side, 3). `beyond`: the filter sees what lies around the box. False: not done, others must."},
    {"levels", levels, METH_NOARGS, "levels() -> names of the kernels that this processor can run, the best one last."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_jpeg", .m_methods = methods, .m_slots = slots};

PyMODINIT_FUNC PyInit__jpeg(void)
{
    return PyModuleDef_Init(&definition);
}
