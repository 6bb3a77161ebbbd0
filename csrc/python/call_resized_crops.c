#include "calls.h"

#include "resized_crop.h"

const char resized_crops_doc[] =
    "resized_crops(files, boxes, flips, filters, beyond, out, side, indices, row[, level]) -> list of bool\n\n"
    "Decode what each box (float64: top, left, height, width) shows of a JPEG, resize it with its filter (uint8: a\n"
    "number of interpolation.py), flip it where flips (bool) says so, and write uint8 RGB into its row of out (side, side, 3). beyond: the filter sees what lies around the box.\n"
    "False: not done, others must; so for None in place of a file. Before each image its index is noted in the row.";

struct job {
    PyObject *files; /* a list of bytes or None */
    Py_buffer boxes, flips, filters, out;
    struct heartbeat heartbeat;
    struct request common; /* to all images */
    char *done;
};

static int check_job(struct job *job, int level)
{
    const Py_ssize_t count = PyList_GET_SIZE(job->files), side = job->common.side;
    if (side <= 0 || side > 1 << 14 || job->boxes.len != count * (Py_ssize_t)sizeof(struct box) ||
        job->flips.len != count || job->filters.len != count || job->out.len != count * side * side * 3) {
        PyErr_SetString(PyExc_ValueError, "resized_crops needs for each file 4 float64, a bool, a filter and side * side * 3 bytes");
        return 0;
    }
    for (Py_ssize_t number = 0; number < count; number++) {
        PyObject *file = PyList_GET_ITEM(job->files, number);
        if (file != Py_None && !PyBytes_Check(file)) {
            PyErr_SetString(PyExc_TypeError, "resized_crops needs a list of bytes or None");
            return 0;
        }
        if (((const uint8_t *)job->filters.buf)[number] >= NUM_FILTERS) {
            PyErr_SetString(PyExc_ValueError, "resized_crops knows no such filter");
            return 0;
        }
    }
    job->common.kernels = kernels_of_level(level);
    if (!job->common.kernels)
        PyErr_Format(PyExc_ValueError, "this processor has no level %d", level);
    return job->common.kernels != NULL && check_heartbeat(&job->heartbeat, count);
}

/* Without Python's lock: the list holds its bytes, which do not change, and nobody else has the list. */
static void crop_all(struct job *job, Py_ssize_t count)
{
    const Py_ssize_t bytes = (Py_ssize_t)job->common.side * job->common.side * 3;
    for (Py_ssize_t number = 0; number < count; number++) {
        PyObject *file = PyList_GET_ITEM(job->files, number);
        if (file == Py_None)
            continue;
        struct request request = job->common;
        memcpy(&request.box, (const char *)job->boxes.buf + number * (Py_ssize_t)sizeof request.box, sizeof request.box);
        request.data = (const uint8_t *)PyBytes_AS_STRING(file);
        request.size = (size_t)PyBytes_GET_SIZE(file);
        request.filter = (enum filter)((const uint8_t *)job->filters.buf)[number];
        request.flip = ((const char *)job->flips.buf)[number] != 0;
        request.out = (uint8_t *)job->out.buf + number * bytes;
        note_image(&job->heartbeat, number);
        job->done[number] = (char)resized_crop_jpeg(&request);
    }
}

static PyObject *bools(const char *values, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    for (Py_ssize_t number = 0; list && number < count; number++)
        PyList_SET_ITEM(list, number, PyBool_FromLong(values[number]));
    return list;
}

static PyObject *run(struct job *job, int level)
{
    const Py_ssize_t count = PyList_GET_SIZE(job->files);
    if (!check_job(job, level))
        return NULL;
    job->done = PyMem_Calloc((size_t)count + 1, 1);
    if (!job->done)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    crop_all(job, count);
    Py_END_ALLOW_THREADS
    PyObject *list = bools(job->done, count);
    PyMem_Free(job->done);
    return list;
}

PyObject *call_resized_crops(PyObject *module, PyObject *args)
{
    (void)module;
    struct job job;
    struct request *common = &job.common;
    int level = best_level();
    if (!PyArg_ParseTuple(args, "O!y*y*y*pw*iy*w*|i:resized_crops", &PyList_Type, &job.files, &job.boxes, &job.flips,
                          &job.filters, &common->beyond, &job.out, &common->side, &job.heartbeat.indices,
                          &job.heartbeat.row, &level))
        return NULL;
    PyObject *done = run(&job, level);
    PyBuffer_Release(&job.boxes);
    PyBuffer_Release(&job.flips);
    PyBuffer_Release(&job.filters);
    PyBuffer_Release(&job.out);
    release_heartbeat(&job.heartbeat);
    return done;
}

PyObject *call_levels(PyObject *module, PyObject *args)
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
